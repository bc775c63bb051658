/**
 * Consolidation as a whole: NREM, REM and PRUNE, each over a snapshot of its own, so that REM sees what NREM wrote and
 * PRUNE which prototypes REM made. A dry run reads one snapshot for all three, and its report says what each would do
 * by itself.
 *
 * What was used is forgotten once NREM has begun to write it down, not before; so a run that is called off learns some
 * of it or none, and nothing twice. PRUNE spares it all the same.
 */

import { HoldfastError } from "../../base/index.ts";
import { commit } from "./commit.ts";
import { planNrem } from "./nrem.ts";
import { type ConsolidationSettings, consolidationSettings } from "./options.ts";
import { planPrune } from "./prune.ts";
import { planRem } from "./rem.ts";
import type {
  ConsolidateOptions,
  ConsolidationConflict,
  ConsolidationPass,
  ConsolidationReport,
  EdgeWeightChange,
  KappaChange,
  PrototypeChange,
  Pruned,
} from "./report.ts";
import type { ConsolidationSnapshot, ConsolidationTarget, Proposal } from "./target.ts";
import type { Uses } from "./use-log.ts";

/** Throws STORE_CONSOLIDATE_OPTION, and what the store throws. One at a time: the caller sees to that. */
export async function consolidate(
  target: ConsolidationTarget,
  options: ConsolidateOptions = {},
): Promise<ConsolidationReport> {
  const run = new Run(target, consolidationSettings(options), options.signal);
  return await (options.dryRun === true ? run.propose() : run.write());
}

class Run {
  readonly #target: ConsolidationTarget;
  readonly #settings: ConsolidationSettings;
  readonly #signal: AbortSignal | undefined;
  readonly #startMs: number;
  readonly #uses: Uses;
  #kappa: readonly KappaChange[] = [];
  readonly #edges: EdgeWeightChange[] = [];
  readonly #prototypes: PrototypeChange[] = [];
  readonly #pruned: Pruned[] = [];
  readonly #conflicts: ConsolidationConflict[] = [];

  constructor(target: ConsolidationTarget, settings: ConsolidationSettings, signal: AbortSignal | undefined) {
    signal?.throwIfAborted();
    this.#target = target;
    this.#settings = settings;
    this.#signal = signal;
    this.#startMs = target.clock.monotonicMs();
    this.#uses = target.uses.taken();
  }

  async propose(): Promise<ConsolidationReport> {
    using snapshot = this.#target.snapshot();
    this.#checkCollections(snapshot);
    for (const pass of this.#settings.passes) {
      for await (const proposal of await this.#plan(pass, snapshot)) this.#note(proposal);
    }
    return this.#report(true, snapshot.version);
  }

  async write(): Promise<ConsolidationReport> {
    let version: number | undefined;
    for (const pass of this.#settings.passes) {
      using snapshot = this.#target.snapshot();
      if (version === undefined) this.#checkCollections(snapshot);
      version ??= snapshot.version;
      const proposals = await this.#plan(pass, snapshot);
      if (pass === "nrem") await this.#writeKappa();
      await commit(proposals, this.#target, {
        signal: this.#signal,
        onWritten: (proposal) => this.#note(proposal),
        onConflict: (conflict) => this.#conflicts.push(conflict),
      });
    }
    return this.#report(false, version ?? 0);
  }

  async #plan(pass: ConsolidationPass, snapshot: ConsolidationSnapshot): Promise<AsyncIterable<Proposal>> {
    if (pass !== "nrem") return this.#planOfEach(pass, snapshot);
    const { collections, nrem } = this.#settings;
    const plan = await planNrem(snapshot, this.#uses, nrem, { collections, signal: this.#signal });
    this.#kappa = plan.kappa;
    return plan.edges;
  }

  async *#planOfEach(pass: "rem" | "prune", snapshot: ConsolidationSnapshot): AsyncGenerator<Proposal, void> {
    const context = {
      nowMs: this.#target.clock.nowMs(),
      isUsed: (collection: string, id: string): boolean =>
        this.#uses.has(collection, id) || this.#target.uses.isUsed(collection, id),
      signal: this.#signal,
    };
    for (const name of this.#settings.collections ?? snapshot.collections()) {
      const reader = snapshot.collection(name);
      if (reader === undefined) continue;
      if (pass === "rem") yield* planRem(reader, this.#settings.rem, context);
      else yield* planPrune(snapshot, name, this.#settings.prune, context);
    }
  }

  async #writeKappa(): Promise<void> {
    const planned = this.#kappa;
    this.#kappa = [];
    const control = { signal: this.#signal };
    const left = planned.length === 0 ? [] : await this.#target.applyKappa(planned, control);
    this.#target.uses.forget(this.#uses, this.#settings.collections);
    const leftAlone = new Set(left);
    this.#kappa = planned.filter((change) => !leftAlone.has(change));
    for (const { collection, id } of left) {
      this.#conflicts.push({ pass: "nrem", collection, id, reason: "changed" });
    }
  }

  #checkCollections(snapshot: ConsolidationSnapshot): void {
    for (const name of this.#settings.collections ?? []) {
      if (snapshot.collection(name) !== undefined) continue;
      throw new HoldfastError("STORE_CONSOLIDATE_OPTION", `there is no collection ${JSON.stringify(name)}`, {
        hint: `collections are ${snapshot.collections().join(", ")}`,
        details: { option: "collections" },
      });
    }
  }

  #note({ says }: Proposal): void {
    if (says.kind === "edge") this.#edges.push(says.edge);
    else if (says.kind === "prototype") this.#prototypes.push(says.prototype);
    else this.#pruned.push(says.pruned);
  }

  #report(dryRun: boolean, version: number): ConsolidationReport {
    return {
      dryRun,
      version,
      kappa: this.#kappa,
      edges: this.#edges,
      prototypes: this.#prototypes,
      pruned: this.#pruned,
      conflicts: this.#conflicts,
      durationMs: this.#target.clock.monotonicMs() - this.#startMs,
    };
  }
}
