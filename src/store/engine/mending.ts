/**
 * What is done about damage (SPEC S8): a segment or content file that was found damaged is written anew with everything
 * that can still be read; what the log still holds of it comes back; and what is lost is named, in the manifest, in the
 * statistics, and to every reader who comes upon it.
 *
 * It happens in the turn of the merges (contents: in that of their compactions), so that none of them meets a file that
 * changes under it. Until then readers of a damaged place get its error, and where a segment cannot even be opened,
 * everything between its first and its last key counts as lost. Nothing of a damaged file is changed, and it goes only
 * when the edit that replaces it is durable.
 *
 * What fails here (a full disk) is tried again with the next maintenance. A device's errors are no damage: where it
 * cannot read, nothing is written anew, for it may read tomorrow.
 */

import { join } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import { readWal } from "../../wal/index.ts";
import type { SectionBuilder } from "../compaction/derived-sections.ts";
import type { CommittedLog } from "../damage/heal.ts";
import { decodeLost, encodeLost, lostValueName } from "../damage/lost-codec.ts";
import { LostRanges } from "../damage/lost-ranges.ts";
import { type SectionMaker, salvageSegment } from "../damage/salvage.ts";
import { salvageContent } from "../damage/salvage-content.ts";
import type { Entry } from "../entry.ts";
import type { ManifestFile } from "../manifest/state.ts";
import type { StoreEvent } from "../store.ts";
import { decodeCommit } from "./commit-codec.ts";
import { type DamageReport, reportOf } from "./damage-reports.ts";
import type { EngineParts } from "./engine-parts.ts";
import type { PreparedSegment } from "./flush.ts";
import { SegmentLayer } from "./segment-layer.ts";

export interface MendingPort {
  readonly parts: EngineParts;
  readonly signal: AbortSignal;
  publish(event: StoreEvent): void;
  failed(what: string, error: unknown): void;
  /** One after the other with merges. */
  inTurn(work: () => Promise<void>): Promise<void>;
  prepared(file: ManifestFile, old: readonly SegmentLayer[], lost: LostRanges): Promise<PreparedSegment>;
  builders(fileId: number): readonly SectionBuilder[];
}

export class Mending {
  readonly #port: MendingPort;
  readonly #damaged = new Map<number, DamageReport>();
  #isScheduled = false;

  constructor(port: MendingPort) {
    this.#port = port;
    port.parts.damage.listen((report) => this.#noted(report));
  }

  /** Mends what is damaged and not mended yet. In the turn of the merges. */
  async mendInTurn(): Promise<void> {
    for (const report of [...this.#damaged.values()]) {
      this.#port.signal.throwIfAborted();
      const file = this.#port.parts.manifest.state.files.get(report.fileId);
      if (file?.kind === "segment") await this.#mendSegment(file);
      else if (file?.kind === "content" && !(await this.#mendContent(file))) continue;
      this.#damaged.delete(report.fileId);
    }
  }

  async mend(): Promise<void> {
    if (this.#damaged.size > 0) await this.#port.inTurn(() => this.mendInTurn());
  }

  /**
   * Does it, and where it comes upon damage mends that first and begins anew. In the turn of the merges, unless
   * `isInTurn` is false.
   */
  async retried<T>(work: () => Promise<T>, { isInTurn = true } = {}): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const report = reportOf(error);
        this.#port.parts.damage.told(error);
        const before = this.#damaged.size;
        if (report === undefined || !this.#damaged.has(report.fileId)) throw error;
        await (isInTurn ? this.mendInTurn() : this.mend());
        if (this.#damaged.size === before) throw error;
      }
    }
  }

  /** The losses count no longer: what older segments have of the lost keys is shown again. */
  async acceptLoss(): Promise<LostRanges> {
    let accepted = LostRanges.none;
    await this.#port.inTurn(async () => {
      await this.mendInTurn();
      const { manifest, views } = this.#port.parts;
      const layers = views.current.layers.filter((layer) => layer instanceof SegmentLayer);
      for (const layer of layers) {
        if (layer.lost.isEmpty) continue;
        const prepared = await this.#port.prepared(layer.file, [layer], LostRanges.none);
        await this.#applied(prepared, () =>
          manifest.apply({ values: { [lostValueName(layer.file.id)]: null } }, () => prepared.publish()),
        );
        accepted = accepted.with(layer.lost);
      }
    });
    return accepted;
  }

  #noted(report: DamageReport): void {
    const { parts, publish } = this.#port;
    const { path, offset, reason } = report;
    publish({ kind: "damage", path, offset, reason });
    if (!parts.manifest.state.files.has(report.fileId)) return;
    this.#damaged.set(report.fileId, report);
    if (parts.options.manual || this.#isScheduled || this.#port.signal.aborted) return;
    this.#isScheduled = true;
    this.mend()
      .then(() => parts.deleteObsolete())
      .catch((error: unknown) => this.#port.failed("salvage", error))
      .finally(() => {
        this.#isScheduled = false;
      });
  }

  async #mendSegment(file: ManifestFile): Promise<void> {
    const { parts, signal } = this.#port;
    const { disk, folder, manifest, views } = parts;
    const layer = views.current.layers.find((one) => one instanceof SegmentLayer && one.file.id === file.id);
    if (!(layer instanceof SegmentLayer)) return;
    const newFileId = manifest.newFileId();
    const lostBefore = decodeLost(manifest.state.values.get(lostValueName(file.id)));
    const log = file.level === 0 ? await this.#logOf(file) : undefined;
    const sections = sectionMaker(this.#port.builders(newFileId), signal);
    const salvage = await salvageSegment({
      ...{ disk, folder, file, newFileId, lostBefore, log, sections, signal },
      unreadable: "fail",
    });
    const prepared = await this.#port.prepared(salvage.file, [layer], salvage.lost);
    const values = { [lostValueName(file.id)]: null, [lostValueName(newFileId)]: encodeLost(salvage.lost) };
    await this.#applied(prepared, () =>
      manifest.apply({ add: [salvage.file], remove: [file.id], values }, () => prepared.publish()),
    );
  }

  async #applied(prepared: PreparedSegment, edit: () => Promise<unknown>): Promise<void> {
    try {
      await edit();
    } catch (error) {
      await prepared.abandon();
      throw error;
    }
  }

  /** False where a compaction of contents is under way: then it waits for the next occasion. */
  async #mendContent(file: ManifestFile): Promise<boolean> {
    const { disk, folder, content } = this.#port.parts;
    const { signal } = this.#port;
    try {
      await content.replaceDamaged(file.id, async (newFileId) => {
        const { written } = await salvageContent({ disk, folder, file, newFileId, unreadable: "fail", signal });
        return written;
      });
      return true;
    } catch (error) {
      if (HoldfastError.is(error) && error.code === "STORE_COMPACTION_RUNNING") return false;
      throw error;
    }
  }

  /**
   * What the log still has of a segment that was flushed from it; undefined unless that is everything, number after
   * number.
   */
  async #logOf({ smallestSequence, largestSequence }: ManifestFile): Promise<CommittedLog | undefined> {
    const { disk, folder } = this.#port.parts;
    const entries: Entry[] = [];
    let next = smallestSequence;
    try {
      const reading = { from: smallestSequence, withTruncated: true, signal: this.#port.signal };
      for await (const { sequence, payload } of readWal(disk, join(folder, "log"), reading)) {
        if (sequence !== next || next > largestSequence) break;
        entries.push(...decodeCommit(payload, sequence));
        next++;
      }
    } catch {
      // The log is read beside its writer: what cannot be read of it heals nothing.
      return undefined;
    }
    if (next <= largestSequence) return undefined;
    return { firstSequence: smallestSequence, lastSequence: largestSequence, entries: () => entries };
  }
}

function sectionMaker(builders: readonly SectionBuilder[], signal: AbortSignal): SectionMaker {
  return {
    async add(entry) {
      for (const builder of builders) {
        const adding = builder.add(entry);
        if (adding instanceof Promise) await adding;
      }
    },
    async finish(writer) {
      for (const builder of builders)
        for (const { type, parts } of await builder.finish(signal)) await writer.addSection(type, parts);
    },
  };
}
