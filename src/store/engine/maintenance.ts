/**
 * What happens behind the writes: flushes, merges of segments, compactions of contents.
 *
 * Flushes go one after the other, the oldest layer first. Merges go one after the other, beside the flushes. Both take
 * effect by one edit of the manifest, in the turn of which readers get the new layers. Readers never wait for any of
 * it; writers do where four layers wait to be flushed.
 *
 * What fails is told (event `failed`) and changes nothing. Flushes that fail are tried again by the guard of the
 * storage; merges have a breaker of their own, for a merge that finds no room takes nothing away from writers.
 */

import { assert, HoldfastError, LinkedController, untilAborted } from "../../base/index.ts";
import { breakerPresets, type CircuitBreaker, circuitBreaker, Refusal } from "../../resilience/index.ts";
import type { SectionBuilder, SectionContext } from "../compaction/derived-sections.ts";
import type { CompactionHost } from "../compaction/host.ts";
import type { CompactionOutcome } from "../compaction/job.ts";
import type { KappaChange } from "../compaction/kappa-changes.ts";
import { type PickedCompaction, pickCompaction, pickOnly } from "../compaction/pick.ts";
import { besideLosses, pickBesideLosses } from "../compaction/pick-beside-losses.ts";
import { sectionBuilders } from "../compaction/section-builders.ts";
import { decodeLost } from "../damage/lost-codec.ts";
import { LostRanges } from "../damage/lost-ranges.ts";
import type { StorageGuard } from "../degradation/storage-guard.ts";
import type { ManifestFile, ManifestState } from "../manifest/state.ts";
import type { StoreEvent } from "../store.ts";
import type { KappaLearning } from "./consolidations.ts";
import { garbageValues } from "./content-catalog.ts";
import type { EngineParts } from "./engine-parts.ts";
import { flushLayer, type PreparedSegment } from "./flush.ts";
import { coveringLosses, inputOf, lossValues, lostFiles } from "./inherited-loss.ts";
import { LiveContents } from "./live-contents.ts";
import { MemoryLayer } from "./memory-layer.ts";
import { Mending } from "./mending.ts";
import { eachNewestVersion } from "./newest-version.ts";
import type { Hold } from "./read-scope.ts";
import { SegmentLayer } from "./segment-layer.ts";
import type { Layer } from "./view.ts";

/** After a merge that failed; then twice as long each time. */
const firstMergeRetryMs = 1_000;
const longestMergeRetryMs = 60_000;

/** Making a graph takes longer than comparing this many; the first merge makes one. */
const flushedExactBelow = 10_000;

/** So many frozen layers may wait before writers do. */
const frozenLimit = 4;

export interface MaintenancePort {
  readonly parts: EngineParts;
  publish(event: StoreEvent): void;
  /** A new memory layer takes what is written from now on; the one before is frozen. False where it was empty. */
  rotate(): boolean;
  /** Resolves once all that is visible now is durable. */
  durable(): Promise<void>;
  failed(what: string, error: unknown): void;
  /** What guards the storage, as far as flushes are concerned. */
  readonly guard: Pick<StorageGuard, "isDegraded" | "isFlushFailing" | "changed" | "flushed" | "flushFailed">;
  /** What a merge of these files learns by the way. */
  learningOf(files: readonly ManifestFile[], signal: AbortSignal | undefined): Promise<KappaLearning | undefined>;
}

export class Maintenance {
  readonly #port: MaintenancePort;
  readonly #host: CompactionHost;
  readonly #stopping = new AbortController();
  readonly #mending: Mending;
  #flushing: Promise<void> | undefined;
  #merging: Promise<void> = Promise.resolve();
  #isMergeScheduled = false;
  #contentRun: Promise<unknown> | undefined;
  readonly #mergeBreaker: CircuitBreaker;
  #mergeFailures = 0;
  #cancelMergeRetry: (() => void) | undefined;

  constructor(port: MaintenancePort, host: CompactionHost) {
    this.#port = port;
    this.#host = host;
    this.#mending = new Mending({
      ...{ parts: port.parts, signal: this.#stopping.signal },
      publish: (event) => port.publish(event),
      failed: (what, error) => port.failed(what, error),
      inTurn: (work) => this.#inTurn(work),
      prepared: (file, old, lost) => this.#prepared(file, old, lost),
      builders: (fileId) => this.#builders({ fileId, collections: port.parts.catalog.sections }),
    });
    const { clock } = port.parts;
    this.#mergeBreaker = circuitBreaker({
      ...breakerPresets.storage,
      name: "store merges",
      clock,
      jitter: 0,
      ramp: false,
    });
  }

  /** Resolves when it is worth looking again; undefined while there is room. Rejects with what keeps a flush back. */
  room(): Promise<void> | undefined {
    if (this.#frozen().length < frozenLimit) return undefined;
    const { guard } = this.#port;
    return guard.isFlushFailing ? guard.changed : this.flushFrozen();
  }

  /** Flushes all frozen layers, those too that are frozen meanwhile. */
  flushFrozen(): Promise<void> {
    this.#flushing ??= this.#flushAll().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  /** A layer was frozen. */
  kick(): void {
    if (this.#port.guard.isFlushFailing) return;
    this.flushFrozen().then(
      () => this.#scheduleMerges(),
      () => undefined,
    );
  }

  async flush(): Promise<void> {
    this.#port.rotate();
    await this.flushFrozen();
  }

  /** Everything into one segment. */
  async compact(signal?: AbortSignal): Promise<void> {
    // Before the flush, with which the log lets go of what it may still have of a damaged segment.
    await this.#mending.mend();
    await this.flush();
    await this.#inTurn(async () => {
      await this.#mending.mendInTurn();
      const pick = (state: ManifestState): PickedCompaction[] =>
        pickBesideLosses(state.files.values(), lostFiles(state));
      await this.#mending.retried(async () => {
        for (const picked of pick(this.#port.parts.manifest.state)) await this.#mergeAndLearn(picked, signal);
      });
    });
    await this.#port.parts.deleteObsolete();
  }

  /** Merges the segments in which the newest versions stand that are to have another κ, and no others. */
  async mergeWithKappa(changes: readonly KappaChange[], signal?: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      const { manifest } = this.#port.parts;
      await this.#mending.retried(async () => {
        const bySegment = await this.#bySegment(changes, signal);
        const lost = lostFiles(manifest.state);
        for (const picked of besideLosses(manifest.state.files.values(), lost, (group) => pickOnly(group, bySegment))) {
          const own = picked.inputs.flatMap(({ id }) => bySegment.get(id) ?? []);
          await this.#merge(picked, signal, own);
        }
      });
    });
  }

  /** Resolves when what was under way has ended, and what waited behind it. */
  mergesDone(): Promise<void> {
    return this.#inTurn(async () => undefined);
  }

  /** Merges what is due, until nothing is. */
  async mergeDue(signal?: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      await this.#mending.mendInTurn();
      await this.#mending.retried(async () => {
        for (let picked = this.#due(); picked !== undefined; picked = this.#due())
          await this.#mergeAndLearn(picked, signal);
      });
    });
  }

  async acceptLoss(): Promise<LostRanges> {
    return await this.#mending.acceptLoss();
  }

  /** As `compactContent`, after one that is under way. */
  async maintainContent(signal?: AbortSignal): Promise<void> {
    while (this.#contentRun !== undefined) {
      const ended = this.#contentRun.then(
        () => undefined,
        () => undefined,
      );
      await untilAborted(ended, signal);
    }
    await this.compactContent(undefined, signal);
  }

  async compactContent(minimumGarbage = 0.3, signal?: AbortSignal): Promise<{ readonly freedBytes: number }> {
    if (this.#contentRun !== undefined) {
      throw new HoldfastError("STORE_COMPACTION_RUNNING", "a compaction of the content log is under way", {
        hint: "wait for it, or end it by its signal",
        retryable: true,
      });
    }
    const run = this.#runContent(minimumGarbage, signal).finally(() => {
      this.#contentRun = undefined;
    });
    this.#contentRun = run;
    return await run;
  }

  async #runContent(minimumGarbage: number, signal?: AbortSignal): Promise<{ readonly freedBytes: number }> {
    await this.#mending.mend();
    const work = (): Promise<{ readonly freedBytes: number }> => this.#compactContent(minimumGarbage, signal);
    const result = await this.#mending.retried(work, { isInTurn: false });
    // The run itself was a reader of the old files.
    await this.#port.parts.deleteObsolete();
    return result;
  }

  /** Ends what is under way, and waits for it. Flushes are left undone: the log has what they would have written. */
  async stop(): Promise<void> {
    this.#cancelMergeRetry?.();
    this.#stopping.abort(new HoldfastError("STORE_CLOSED", "the store was closed meanwhile"));
    await this.#host.close();
    await this.#flushing?.catch(() => undefined);
    await this.#merging;
    await this.#contentRun?.catch(() => undefined);
  }

  #frozen(): MemoryLayer[] {
    const { current } = this.#port.parts.views;
    return current.layers.filter((layer) => layer instanceof MemoryLayer && layer.source.isFrozen) as MemoryLayer[];
  }

  async #flushAll(): Promise<void> {
    try {
      for (let layer = this.#frozen().at(-1); layer !== undefined; layer = this.#frozen().at(-1)) {
        this.#stopping.signal.throwIfAborted();
        await this.#flushOne(layer);
      }
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#port.guard.flushFailed(error);
      throw error;
    }
    this.#port.guard.flushed();
  }

  async #flushOne(layer: MemoryLayer): Promise<void> {
    const { parts } = this.#port;
    const { clock, disk, folder, manifest, content, catalog, views, options } = parts;
    const beganMs = clock.monotonicMs();
    const file = await flushLayer(layer, {
      ...{ disk, folder, manifest, content, contentFromBytes: options.contentFromBytes },
      builders: (fileId) => this.#builders({ fileId, collections: catalog.sections, exactBelow: flushedExactBelow }),
      nowMs: clock.nowMs(),
      signal: this.#stopping.signal,
      durable: () => this.#port.durable(),
      prepare: (written) => this.#prepared(written, [layer]),
    });
    if (file === undefined) {
      views.replace([layer], []);
      return;
    }
    await parts.log.truncateBefore(file.largestSequence + 1);
    const durationMs = clock.monotonicMs() - beganMs;
    this.#port.publish({ kind: "flush", segment: file.id, entries: file.entries, durationMs });
  }

  async #prepared(
    file: ManifestFile,
    old: readonly (MemoryLayer | SegmentLayer)[],
    lost = LostRanges.none,
  ): Promise<PreparedSegment> {
    const { disk, folder, cache, views, vectors, damage } = this.#port.parts;
    const onDamage = (error: unknown): void => void damage.told(error);
    const layer = await SegmentLayer.open({ disk, folder, cache, file, lost, onDamage });
    try {
      await layer.load();
      if (views.current.graph !== undefined) await layer.loadGraph();
    } catch (error) {
      await layer.close();
      throw error;
    }
    const isNewer = (other: Layer): boolean => isBefore(views.current.layers, other, old[0]!);
    const tell = await vectors.prepared(layer, isNewer);
    return {
      publish: () => {
        tell(views.current.layers.filter(isNewer)); // mutant: vectors-told
        views.replace(old, [layer]);
      },
      abandon: () => layer.close(),
    };
  }

  /** Where there are vectors, in the worker: a graph over them takes long. */
  #builders(context: Omit<SectionContext, "inputs">): readonly SectionBuilder[] {
    return context.collections.length === 0 ? sectionBuilders(context) : this.#host.sectionBuilders(context);
  }

  #scheduleMerges(): void {
    const { parts, guard } = this.#port;
    if (this.#isMergeScheduled || parts.options.manual || guard.isDegraded || this.#due() === undefined) return;
    const permit = this.#mergeBreaker.tryAcquire();
    if (permit instanceof Refusal) return this.#mergeLater(permit.retryAfterMs ?? longestMergeRetryMs);
    this.#isMergeScheduled = true;
    this.mergeDue()
      .then(() => parts.deleteObsolete())
      .then(
        () => {
          this.#mergeFailures = 0;
          permit.succeed();
        },
        (error: unknown) => {
          permit.fail(error);
          this.#port.failed("compaction", error);
          this.#mergeLater(Math.min(longestMergeRetryMs, firstMergeRetryMs * 2 ** this.#mergeFailures++));
        },
      )
      .finally(() => {
        this.#isMergeScheduled = false;
      });
  }

  #mergeLater(delayMs: number): void {
    this.#cancelMergeRetry?.();
    if (this.#stopping.signal.aborted) return;
    const retry = (): void => this.#scheduleMerges();
    this.#cancelMergeRetry = this.#port.parts.clock.schedule(delayMs, retry, { background: true });
  }

  #due(): PickedCompaction | undefined {
    const { manifest, views, clock } = this.#port.parts;
    if (this.#stopping.signal.aborted) return undefined;
    const segments = new Map(
      views.current.layers.flatMap((layer) => ("file" in layer ? [[layer.file.id, layer]] : [])),
    );
    const lost = lostFiles(manifest.state);
    return pickCompaction(manifest.state.files.values(), {
      nowMs: clock.nowMs(),
      expiringOf: (fileId) => segments.get(fileId)?.segment?.properties,
      // Merged with older ones, it would take of theirs what lies under the lost keys (pick-beside-losses.ts).
      ...{ lost, busy: lost },
    });
  }

  async #bySegment(changes: readonly KappaChange[], signal?: AbortSignal): Promise<Map<number, KappaChange[]>> {
    const bySegment = new Map<number, KappaChange[]>();
    using hold = this.#port.parts.holds.snapshot();
    const visit: Parameters<typeof eachNewestVersion>[2] = (newest, place) => {
      const change = changes[place]!;
      if (!(newest?.layer instanceof SegmentLayer) || newest.entry.sequence !== change.sequence) return;
      const { id } = newest.layer.file;
      const own = bySegment.get(id);
      if (own === undefined) bySegment.set(id, [change]);
      else own.push(change);
    };
    const keys = changes.map(({ key }) => key);
    await eachNewestVersion(hold, keys, visit, signal);
    return bySegment;
  }

  async #mergeAndLearn(picked: PickedCompaction, signal?: AbortSignal): Promise<void> {
    // What cannot be read now is learned another time: merges do not wait for that.
    const learning = await this.#port.learningOf(picked.inputs, signal).catch(() => undefined);
    await this.#merge(picked, signal, learning?.changes);
    learning?.learned();
  }

  async #merge(picked: PickedCompaction, signal?: AbortSignal, kappaChanges?: readonly KappaChange[]): Promise<void> {
    const { parts } = this.#port;
    const beganMs = parts.clock.monotonicMs();
    const { manifest, folder, catalog, clock } = parts;
    using linked = new LinkedController(signal);
    const stop = (): void => linked.abort(this.#stopping.signal.reason);
    this.#stopping.signal.addEventListener("abort", stop, { once: true });
    try {
      const outcome = await this.#host.run(
        {
          folder,
          inputs: picked.inputs.map((file) => inputOf(file, manifest.state)),
          output: { fileId: manifest.newFileId(), level: picked.level },
          isBottom: picked.isBottom,
          nowMs: clock.nowMs(),
          collections: catalog.sections,
          ...(kappaChanges === undefined ? {} : { kappaChanges }),
        },
        { signal: linked.signal },
      );
      await this.#adopt(picked, outcome);
      const into = outcome.file === undefined ? [] : [outcome.file.id];
      const from = picked.inputs.map(({ id }) => id);
      this.#port.publish({ kind: "compaction", from, into, durationMs: clock.monotonicMs() - beganMs });
    } finally {
      this.#stopping.signal.removeEventListener("abort", stop);
    }
  }

  async #adopt(picked: PickedCompaction, { file: made, lost: inherited, dropped }: CompactionOutcome): Promise<void> {
    const { manifest, views, content } = this.#port.parts;
    const ids = new Set(picked.inputs.map(({ id }) => id));
    const old = views.current.layers.filter(
      (layer): layer is SegmentLayer => layer instanceof SegmentLayer && ids.has(layer.file.id),
    );
    const lost = inherited.map(decodeLost).reduce((all, one) => all.with(one), LostRanges.none);
    assert(made !== undefined || lost.isEmpty, "what was lost keeps a file to be told by");
    const file = made === undefined || lost.isEmpty ? made : coveringLosses(made, picked.inputs);
    const prepared = file === undefined ? undefined : await this.#prepared(file, old, lost);
    try {
      await manifest.apply(
        () => ({
          add: file === undefined ? [] : [file],
          remove: [...ids],
          values: { ...garbageValues(content.garbage, dropped.garbage), ...lossValues(picked.inputs, file, lost) },
        }),
        () => {
          if (prepared === undefined) views.replace(old, []);
          else prepared.publish();
          for (const [source, length] of dropped.garbage) content.discard({ file: source, length });
        },
      );
    } catch (error) {
      await prepared?.abandon();
      throw error;
    }
  }

  /**
   * Which contents live is asked of the store as it is at this moment, and of all who read an earlier one. What that
   * went by has to be in segments before anything is freed: a deletion that a crash takes back must find its content,
   * and so must a backup, which takes no log along.
   */
  async #compactContent(minimumGarbage: number, signal?: AbortSignal): Promise<{ readonly freedBytes: number }> {
    const { content, holds, large } = this.#port.parts;
    const files = content
      .statistics()
      .filter(({ id, fragmentation }) => fragmentation >= minimumGarbage && !large.files.has(id))
      .map(({ id }) => id);
    if (files.length === 0) return { freedBytes: 0 };
    using present = holds.snapshot();
    const readers: Pick<Hold, "view" | "atSequence">[] = [present];
    readers.push(...holds.all); // mutant: content-readers-of-old
    const live = await this.#live(readers, signal);
    const { freedBytes } = await content.compact({
      files,
      isLive: (handle) => live.has(handle),
      beforeCommit: () => untilAborted(this.flush(), signal),
      ...(signal === undefined ? {} : { signal }),
    });
    return { freedBytes };
  }

  /** Readers may end meanwhile: what they hold is held until it was asked. */
  async #live(readers: readonly Pick<Hold, "view" | "atSequence">[], signal?: AbortSignal): Promise<LiveContents> {
    for (const { view } of readers) view.hold();
    try {
      return await LiveContents.of(readers, signal);
    } finally {
      for (const { view } of readers) view.release();
    }
  }

  /** Merges never stand in one another's way: one after the other. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#merging.then(work);
    this.#merging = turn.catch(() => undefined);
    await turn;
  }
}

function isBefore(layers: readonly Layer[], one: Layer, other: Layer): boolean {
  return layers.indexOf(one) < layers.indexOf(other);
}
