/**
 * A frozen memory layer becomes a segment.
 *
 * Contents from some length on go into one content file, and the entries name them. Both files are durable before one
 * edit of the manifest names them and says how far the log is in them; only then is the log truncated. A crash anywhere
 * before the edit leaves the log as it was, and files that nobody names.
 */

import { assert } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { ContentGarbage, contentHandleOf } from "../compaction/content-garbage.ts";
import type { SectionBuilder } from "../compaction/derived-sections.ts";
import { writeSegment } from "../compaction/write-segment.ts";
import type { ContentWriter } from "../content/index.ts";
import { type ContentLog, encodeHandle, type StagedContent } from "../content/index.ts";
import { type Entry, entryKind } from "../entry.ts";
import { isItemKey } from "../item/item-key.ts";
import { ItemRecord } from "../item/record.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { ManifestEdit, ManifestFile, ManifestState } from "../manifest/state.ts";
import { compactEntries } from "../merge/compaction.ts";
import { editOf, garbageValues, namedValues } from "./content-catalog.ts";
import type { MemoryLayer } from "./memory-layer.ts";

export interface FlushOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly manifest: Manifest;
  readonly content: ContentLog;
  readonly contentFromBytes: number;
  readonly builders: (fileId: number) => readonly SectionBuilder[];
  /** What expires up to this time counts as deleted. */
  readonly nowMs: number;
  /** Opens the segment for readers. */
  readonly prepare: (file: ManifestFile) => Promise<PreparedSegment>;
  /**
   * Awaited before the edit: what the layer holds has to be durable in the log, or the log would end before the
   * position from which it is said to go on.
   */
  readonly durable: () => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

/** What is to happen with a segment that was written. */
export interface PreparedSegment {
  /** In the turn in which the manifest names it. */
  publish(): void;
  /** Where the manifest may not name it. */
  abandon(): Promise<void>;
}

/** Resolves with the segment once the manifest names it; undefined where there was nothing in the layer. */
export async function flushLayer(layer: MemoryLayer, options: FlushOptions): Promise<ManifestFile | undefined> {
  const { disk, folder, manifest, content, signal, nowMs, builders } = options;
  const table = layer.source;
  if (table.entries === 0) return undefined;
  const garbage = new ContentGarbage();
  const contents = new FlushedContents(content, options.contentFromBytes, garbage);
  const onDropped = (entry: Entry): void => garbage.dropped(entry);
  const bounds = { snapshots: [], isBottom: false, nowMs, ...(signal ? { signal } : {}) };
  const kept = compactEntries([table], { ...bounds, onDropped });
  let prepared: PreparedSegment | undefined;
  let staged: StagedContent | undefined;
  let written: ManifestFile | undefined;
  let mayBeNamed = false;
  try {
    const fileId = manifest.newFileId();
    const file = await writeSegment({
      ...{ disk, folder, fileId, level: 0, signal, builders: builders(fileId) },
      batches: contents.movedOf(kept),
    });
    assert(file !== undefined, "of a table with entries a segment has some");
    written = file;
    staged = await contents.stage();
    prepared = await options.prepare(file);
    await options.durable(); // mutant: flush-before-log
    const { add = [], values = {} } = staged === undefined ? {} : editOf([staged.written]);
    const flushedPosition = table.sequences.largest;
    const dropped = garbage.sums();
    // Garbage is added to what it is when the edit has its turn: a merge may have added to it.
    const edit = (state: ManifestState): ManifestEdit => ({
      add: [file, ...add],
      values: {
        ...garbageValues(content.garbage, dropped),
        ...namedValues(state.values, [...contents.named, ...dropped.map(([source]) => source)]),
        ...values,
      },
      flushedPosition,
    });
    mayBeNamed = true;
    await manifest.apply(edit, () => {
      staged?.publish();
      prepared?.publish();
      for (const [source, length] of dropped) content.discard({ file: source, length });
    });
    return file;
  } catch (error) {
    await prepared?.abandon();
    // Nobody can name them yet. After an edit whose outcome is unknown they stay, for the next opening to see.
    if (!mayBeNamed) {
      if (written !== undefined) await disk.remove(manifest.pathOf(written)).catch(() => undefined);
      await staged?.abandon().catch(() => undefined);
    }
    throw error;
  } finally {
    await contents.abandon();
  }
}

/** Moves what is long enough into a content file, which is begun with the first; what was moved before is counted. */
class FlushedContents {
  readonly #content: ContentLog;
  readonly #fromBytes: number;
  readonly #garbage: ContentGarbage;
  /** Files of which entries of this flush name contents. */
  readonly named = new Set<number>();
  #writer: ContentWriter | undefined;

  constructor(content: ContentLog, fromBytes: number, garbage: ContentGarbage) {
    this.#content = content;
    this.#fromBytes = fromBytes;
    this.#garbage = garbage;
  }

  async *movedOf(batches: AsyncIterable<Entry[]>): AsyncGenerator<Entry[], void> {
    for await (const batch of batches) {
      this.#garbage.kept(batch);
      for (const [place, entry] of batch.entries()) {
        const handle = contentHandleOf(entry);
        if (handle !== undefined) this.named.add(handle.file);
        else if (entry.value.length >= this.#fromBytes) batch[place] = await this.#moved(entry);
      }
      yield batch;
    }
  }

  async stage(): Promise<StagedContent | undefined> {
    const writer = this.#writer;
    this.#writer = undefined;
    return writer === undefined ? undefined : await this.#content.stage(writer);
  }

  async abandon(): Promise<void> {
    await this.#writer?.abandon();
  }

  async #moved(entry: Entry): Promise<Entry> {
    if (entry.kind !== entryKind.value || !isItemKey(entry.key)) return entry;
    const record = new ItemRecord(entry.value);
    if (record.isInContentLog || record.contentLength < this.#fromBytes) return entry;
    this.#writer ??= await this.#content.write();
    const handle = await this.#writer.add(record.contentBytes);
    return { ...entry, value: record.withHandle(encodeHandle(handle)) };
  }
}
