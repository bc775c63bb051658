/**
 * What happens behind the writes: flushes, merges of segments, compactions of contents.
 *
 * Flushes go one after the other, the oldest layer first. Merges go one after the other, beside the flushes. Both take
 * effect by one edit of the manifest, in the turn of which readers get the new layers. Readers never wait for any of
 * it; writers do where four layers wait to be flushed.
 *
 * What fails is told (event `failed`) and tried again with the next occasion; until then nothing has changed.
 */

import { assert, HoldfastError, LinkedController, untilAborted } from "../../base/index.ts";
import type { SectionBuilder, SectionContext } from "../compaction/derived-sections.ts";
import type { CompactionHost } from "../compaction/host.ts";
import type { CompactionOutcome } from "../compaction/job.ts";
import type { KappaChange } from "../compaction/kappa-changes.ts";
import { type PickedCompaction, pickCompaction } from "../compaction/pick.ts";
import { pickBesideLosses } from "../compaction/pick-beside-losses.ts";
import { sectionBuilders } from "../compaction/section-builders.ts";
import { decodeLost } from "../damage/lost-codec.ts";
import { LostRanges } from "../damage/lost-ranges.ts";
import type { ManifestFile, ManifestState } from "../manifest/state.ts";
import type { StoreEvent } from "../store.ts";
import { garbageValues } from "./content-catalog.ts";
import type { EngineParts } from "./engine-parts.ts";
import { flushLayer, type PreparedSegment } from "./flush.ts";
import { coveringLosses, inputOf, lossValues, lostFiles } from "./inherited-loss.ts";
import { LiveContents } from "./live-contents.ts";
import { MemoryLayer } from "./memory-layer.ts";
import { Mending } from "./mending.ts";
import type { Hold } from "./read-scope.ts";
import { SegmentLayer } from "./segment-layer.ts";
import type { Layer } from "./view.ts";

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
  }

  /** Resolves when a frozen layer has been flushed; undefined while there is room. Rejects with what kept it back. */
  room(): Promise<void> | undefined {
    return this.#frozen().length < frozenLimit ? undefined : this.flushFrozen();
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
    this.flushFrozen().then(
      () => this.#scheduleMerges(),
      (error: unknown) => this.#port.failed("flush", error),
    );
  }

  async flush(): Promise<void> {
    this.#port.rotate();
    await this.flushFrozen();
  }

  /** Everything into one segment. */
  async compact(signal?: AbortSignal, kappaChanges?: readonly KappaChange[]): Promise<void> {
    // Before the flush, with which the log lets go of what it may still have of a damaged segment.
    await this.#mending.mend();
    await this.flush();
    await this.#inTurn(async () => {
      await this.#mending.mendInTurn();
      await this.#mergeMended(
        (state) => pickBesideLosses(state.files.values(), lostFiles(state)),
        signal,
        kappaChanges,
      );
    });
    await this.#port.parts.deleteObsolete();
  }

  /** Merges what is due, until nothing is. */
  async mergeDue(signal?: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      await this.#mending.mendInTurn();
      const due = (): PickedCompaction[] => [this.#due()].filter((picked) => picked !== undefined);
      while (due().length > 0) await this.#mergeMended(due, signal);
    });
  }

  /** Writes anew what is damaged. */
  async mend(): Promise<void> {
    await this.#mending.mend();
  }

  async acceptLoss(): Promise<LostRanges> {
    return await this.#mending.acceptLoss();
  }

  async compactContent(minimumGarbage = 0.3, signal?: AbortSignal): Promise<{ readonly freedBytes: number }> {
    if (this.#contentRun !== undefined) {
      throw new HoldfastError("STORE_COMPACTION_RUNNING", "a compaction of the content log is under way", {
        hint: "wait for it, or end it by its signal",
        retryable: true,
      });
    }
    const run = this.#compactContentMended(minimumGarbage, signal);
    this.#contentRun = run;
    try {
      const result = await run;
      // The run itself was a reader of the old files.
      await this.#port.parts.deleteObsolete();
      return result;
    } finally {
      this.#contentRun = undefined;
    }
  }

  /** Ends what is under way, and waits for it. Flushes are left undone: the log has what they would have written. */
  async stop(): Promise<void> {
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
    for (let layer = this.#frozen().at(-1); layer !== undefined; layer = this.#frozen().at(-1)) {
      this.#stopping.signal.throwIfAborted();
      await this.#flushOne(layer);
    }
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
        tell(views.current.layers.filter(isNewer));
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
    if (this.#isMergeScheduled || this.#port.parts.options.manual || this.#due() === undefined) return;
    this.#isMergeScheduled = true;
    this.mergeDue()
      .then(() => this.#port.parts.deleteObsolete())
      .catch((error: unknown) => this.#port.failed("compaction", error))
      .finally(() => {
        this.#isMergeScheduled = false;
      });
  }

  #due(): PickedCompaction | undefined {
    const { manifest } = this.#port.parts;
    if (this.#stopping.signal.aborted) return undefined;
    const lost = lostFiles(manifest.state);
    // Merged with older ones, what was lost would take of theirs what lies under the lost keys (pick-beside-losses.ts).
    return pickCompaction(manifest.state.files.values(), { lost, busy: lost });
  }

  /** An input that turns out to be damaged is written anew first; each file once. */
  async #mergeMended(
    pick: (state: ManifestState) => readonly PickedCompaction[],
    signal?: AbortSignal,
    kappaChanges?: readonly KappaChange[],
  ): Promise<void> {
    for (;;) {
      try {
        const { state } = this.#port.parts.manifest;
        for (const picked of pick(state)) await this.#merge(picked, signal, kappaChanges);
        return;
      } catch (error) {
        if (!(await this.#mending.mendedAfter(error, { isInTurn: true }))) throw error;
      }
    }
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

  async #compactContentMended(minimumGarbage: number, signal?: AbortSignal): Promise<{ readonly freedBytes: number }> {
    await this.#mending.mend();
    for (;;) {
      try {
        return await this.#compactContent(minimumGarbage, signal);
      } catch (error) {
        if (!(await this.#mending.mendedAfter(error, { isInTurn: false }))) throw error;
      }
    }
  }

  /**
   * Which contents live is asked of the store as it is at this moment, and of all who read an earlier one. What that
   * went by has to be durable before anything is freed: a deletion that a crash takes back must find its content.
   */
  async #compactContent(minimumGarbage: number, signal?: AbortSignal): Promise<{ readonly freedBytes: number }> {
    const { content, holds, large } = this.#port.parts;
    const files = content
      .statistics()
      .filter(({ id, fragmentation }) => fragmentation >= minimumGarbage && !large.files.has(id))
      .map(({ id }) => id);
    if (files.length === 0) return { freedBytes: 0 };
    using present = holds.snapshot();
    const live = await this.#live([present, ...holds.all], signal);
    const durable = this.#port.durable();
    durable.catch(() => undefined);
    const { freedBytes } = await content.compact({
      files,
      isLive: (handle) => live.has(handle),
      beforeCommit: () => untilAborted(durable, signal),
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
