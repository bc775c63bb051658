/**
 * When a store consolidates, and what it learns without being asked.
 *
 * By itself, κ of what was used rises in merges that happen anyway: that costs no write, and whoever notes no use sees
 * nothing of it. Everything else (edges between what was used, prototypes, what is pruned) waits until somebody asks,
 * or until maintenance finds the time come that the options name. Uses that a merge has learned κ from are not learned
 * from again.
 *
 * One consolidation at a time; while it runs, merges learn nothing.
 */

import { HoldfastError, LinkedController } from "../../base/index.ts";
import type { KappaChange } from "../compaction/kappa-changes.ts";
import { consolidate } from "../consolidation/consolidate.ts";
import { kappaAfter } from "../consolidation/nrem.ts";
import { type ConsolidationSettings, consolidationSettings } from "../consolidation/options.ts";
import type { ConsolidateOptions, ConsolidationReport, ConsolidationSchedule } from "../consolidation/report.ts";
import { type UsedItem, UseLog } from "../consolidation/use-log.ts";
import { isGone } from "../entry.ts";
import { itemKey } from "../item/item-key.ts";
import { compareKeys } from "../key.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { type ConsolidationTargetPort, EngineTarget } from "./consolidation-target.ts";
import { eachNewestVersion } from "./newest-version.ts";
import { SegmentLayer } from "./segment-layer.ts";

export interface ConsolidationsPort extends ConsolidationTargetPort {
  /** Resolves when no merge is under way any more that began before. */
  mergesDone(): Promise<void>;
  deleteObsolete(): Promise<void>;
  /** Told of each that was no dry run. */
  done(report: ConsolidationReport): void;
}

/** What a merge learns by the way. */
export interface KappaLearning {
  readonly changes: readonly KappaChange[];
  /** To be called when the merge has taken effect. */
  learned(): void;
}

export class Consolidations {
  readonly uses = new UseLog();
  readonly #port: ConsolidationsPort;
  readonly #schedule: ConsolidationSchedule | undefined;
  /** undefined where merges learn nothing. */
  readonly #byTheWay: ConsolidationSettings | undefined;
  readonly #stopping = new AbortController();
  #running: Promise<unknown> | undefined;
  #beganMs: number;

  constructor(port: ConsolidationsPort, mode: "manual" | ConsolidationSchedule | undefined) {
    this.#port = port;
    this.#schedule = mode === "manual" ? undefined : mode;
    const settings = mode === "manual" ? undefined : consolidationSettings(mode);
    this.#byTheWay = settings?.passes.includes("nrem") === true ? settings : undefined;
    this.#beganMs = port.reading.clock.monotonicMs();
  }

  /** Throws STORE_CONSOLIDATION_RUNNING, and what `consolidate` throws. */
  async run(options: ConsolidateOptions = {}): Promise<ConsolidationReport> {
    if (this.#running !== undefined) {
      throw new HoldfastError("STORE_CONSOLIDATION_RUNNING", "a consolidation is under way", {
        hint: "Wait for it, or end it by its signal.",
        retryable: true,
      });
    }
    const run = this.#run(options);
    this.#running = run;
    try {
      return await run;
    } finally {
      this.#running = undefined;
    }
  }

  /** What the options of the store ask for, if its time has come. */
  async runDue(signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#port.reading;
    if (this.#schedule === undefined || this.#running !== undefined) return;
    const { everyMs = 3_600_000, ...options } = this.#schedule;
    if (clock.monotonicMs() - this.#beganMs < everyMs) return;
    this.#beganMs = clock.monotonicMs();
    await this.run({ ...options, ...(signal === undefined ? {} : { signal }) });
  }

  /** What a merge of these files may learn: of each item that was used, if its newest version is in one of them. */
  async learningOf(files: readonly ManifestFile[], signal?: AbortSignal): Promise<KappaLearning | undefined> {
    const settings = this.#byTheWay;
    if (settings === undefined || this.#running !== undefined || this.uses.size === 0) return undefined;
    const { catalog, holds, clock } = this.#port.reading;
    const taken = this.uses.taken();
    const used = taken.items
      .filter(({ collection, uses }) => uses > 0 && settings.collections?.includes(collection) !== false)
      .map((item) => ({ item, key: itemKey(catalog.need(item.collection).prefix, item.id) }))
      .sort((a, b) => compareKeys(a.key, b.key));
    const keys = used.map(({ key }) => key);
    const ids = new Set(files.map(({ id }) => id));
    const changes: KappaChange[] = [];
    const items: UsedItem[] = [];
    using hold = holds.snapshot();
    const nowMs = clock.nowMs();
    const visit: Parameters<typeof eachNewestVersion>[2] = (newest, place) => {
      const { item, key } = used[place]!;
      if (!(newest?.layer instanceof SegmentLayer) || !ids.has(newest.layer.file.id)) return;
      const { entry } = newest;
      if (isGone(entry, nowMs)) return;
      items.push(item);
      const kappa = kappaAfter(entry.kappa, item.uses, settings.nrem);
      if (kappa > entry.kappa) changes.push({ key, kappa, sequence: entry.sequence });
    };
    await eachNewestVersion(hold, keys, visit, signal);
    if (items.length === 0) return undefined;
    return { changes, learned: () => this.uses.kappaLearned(taken, items) };
  }

  /** Ends what is under way, and waits for it. */
  async stop(): Promise<void> {
    this.#stopping.abort(new HoldfastError("STORE_CLOSED", "the store was closed meanwhile"));
    await this.#running?.catch(() => undefined);
  }

  async #run(options: ConsolidateOptions): Promise<ConsolidationReport> {
    using linked = new LinkedController(options.signal);
    const stop = (): void => linked.abort(this.#stopping.signal.reason);
    this.#stopping.signal.addEventListener("abort", stop, { once: true });
    try {
      const target = new EngineTarget(this.#port, this.uses);
      if (options.dryRun === true) return await consolidate(target, { ...options, signal: linked.signal });
      // A merge that learns now would else be learned from twice.
      await this.#port.mergesDone();
      const report = await consolidate(target, { ...options, signal: linked.signal });
      await this.#port.deleteObsolete();
      this.#port.done(report);
      return report;
    } finally {
      this.#stopping.signal.removeEventListener("abort", stop);
    }
  }
}
