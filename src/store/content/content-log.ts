/**
 * The content log: what is too large to stand under a key, in immutable files, apart from the keys (SPEC S5, S6, S10).
 *
 * - A handle says in which file its content was first written, and stays as it is. Which file holds it now is known
 *   here, by one table that is replaced as a whole: a read sees the old file with the old place or the new with the
 *   new.
 * - Compaction copies what is live of the chosen files into a new one, and commits that with one edit of the store's
 *   manifest: the new file in, the old ones out. Before the commit nothing has changed for anybody; a failure, an abort
 *   or a crash before it leaves the old files and sweeps the new one away. It never writes keys, so it brings back
 *   none.
 * - What is written meanwhile goes into files that it does not touch. One compaction at a time; it looks at memory
 *   first.
 * - A file that was compacted away is deleted when the last read of it has ended.
 *
 * The order in which things are held, from the outside in: compaction, then the table of files, then a file's reads.
 */

import { availableMemory } from "node:process";
import { HoldfastError, type Listener, LruMap, Topic } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { ContentFile } from "./content-file.ts";
import { corrupt, entryBytes } from "./content-format.ts";
import type { ContentHandle } from "./content-handle.ts";
import { ContentWriter, type WrittenContent } from "./content-writer.ts";

/** What is known of a content file without opening it. */
export type ContentFileFacts = Pick<WrittenContent, "file" | "sizeBytes" | "contentBytes" | "sources">;

export interface ContentEdit {
  readonly add: readonly WrittenContent[];
  readonly remove: readonly number[];
  /** Nobody names the contents of the added files yet; who will may never come to it. Default false. */
  readonly isPending?: boolean;
}

/** The part of the store's manifest that this needs: which content files there are, changed by one durable edit. */
export interface ContentCatalog {
  /** The files there are, at the opening. */
  readonly files: readonly ContentFileFacts[];
  /** Bytes of garbage by the file in which they were first written, as far as it is known at the opening. */
  readonly garbage?: ReadonlyMap<number, number>;
  /** A number that no file ever had. */
  newFileId(): number;
  pathOf(id: number): string;
  /** All of it or nothing, durable when it returns; an outcome that is unknown is an error of this call. */
  commit(edit: ContentEdit): Promise<void>;
  /** Nobody reads it here any more, and it is out of the catalog: it may be deleted. */
  release(id: number): Promise<void>;
}

/** A file that is whole and durable, and in no catalog yet. */
export interface StagedContent {
  readonly written: WrittenContent;
  /** Once the catalog names it: readers find its contents. */
  publish(): void;
  /** In place of `publish`, where the catalog certainly does not name it: the file goes. */
  abandon(): Promise<void>;
}

export interface ContentLogOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly catalog: ContentCatalog;
  /** Bytes of memory that are free; default the process's. */
  readonly availableBytes?: () => number;
  /** The share of free memory that a compaction may need. Above 0, at most 1; default 0.5 (SPEC S6). */
  readonly memoryShare?: number;
  /** Told of a file that could not be read as it should, beside the error that the reader gets. Must not throw. */
  readonly onDamage?: (file: number, error: unknown) => void;
  /** Files that are kept open. Default 256. */
  readonly openFilesLimit?: number;
}

export interface CompactOptions {
  /** Whether the content is still under some key, for some reader. Asked of one pinned snapshot; must not change. */
  readonly isLive: (handle: Pick<ContentHandle, "file" | "row" | "length">) => boolean;
  /** Files to compact; default those of which at least `minimumGarbage` is known to be garbage. */
  readonly files?: readonly number[];
  /** 0 to 1; default 0.3. */
  readonly minimumGarbage?: number;
  /** Awaited when all is copied, before the old files may go: what `isLive` went by has to be durable then. */
  readonly beforeCommit?: () => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface CompactionResult {
  readonly compacted: readonly number[];
  /** undefined where nothing was live. */
  readonly into: number | undefined;
  readonly copiedEntries: number;
  readonly freedBytes: number;
}

export interface CompactionProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface ContentFileStatistics {
  readonly id: number;
  readonly sizeBytes: number;
  readonly contentBytes: number;
  readonly garbageBytes: number;
  /** Garbage over content; 0 for a file without content. */
  readonly fragmentation: number;
}

/** A file with those who read it. */
interface Held extends ContentFileFacts {
  /** From the first read on. */
  opened: Promise<ContentFile> | undefined;
  readers: number;
  isRemoved: boolean;
}

const copyBufferBytes = 4 << 20;

export class ContentLog implements AsyncDisposable {
  readonly #options: ContentLogOptions;
  /** Files by their own number, and by the number of every file whose content they hold: replaced as one. */
  #files: ReadonlyMap<number, Held>;
  #bySource: ReadonlyMap<number, Held>;
  /** Bytes that were discarded, by the file in which they were first written. */
  readonly #garbage = new Map<number, number>();
  readonly #progress = new Topic<CompactionProgress>("content.compaction");
  /** Files that are open. One that is given up while it is read is closed when that has ended. */
  readonly #openFiles: LruMap<number, Held>;
  #compacting = false;

  private constructor(options: ContentLogOptions) {
    this.#options = options;
    this.#openFiles = new LruMap(options.openFilesLimit ?? 256, (_, held) => {
      if (held.readers === 0) void this.#closed(held);
    });
    const { files, garbage } = options.catalog;
    this.#files = new Map(files.map((facts) => [facts.file, heldOf(facts)]));
    this.#bySource = bySource(this.#files);
    for (const [source, bytes] of garbage ?? []) if (this.#bySource.has(source)) this.#garbage.set(source, bytes);
  }

  /** Knows the files that the catalog names, and sweeps away what is no file of it. Reads none of them. */
  static async open(options: ContentLogOptions): Promise<ContentLog> {
    const { disk, folder, catalog } = options;
    const share = options.memoryShare ?? 0.5;
    if (!(share > 0 && share <= 1)) {
      throw new HoldfastError("STORE_OPTION", `memoryShare is ${share}: it may be above 0, at most 1`);
    }
    const named = new Set(catalog.files.map(({ file }) => catalog.pathOf(file)));
    for (const { name } of await disk.list(folder)) {
      const path = `${folder}/${name}`;
      if (/\.content(\.tmp)?$/.test(name) && !named.has(path)) await disk.remove(path);
    }
    return new ContentLog(options);
  }

  /** As `open`, of files that nobody may change: nothing is swept away. */
  static forReading(options: ContentLogOptions): ContentLog {
    return new ContentLog(options);
  }

  /** A new file, to be filled and then staged or committed. */
  async write(): Promise<ContentWriter> {
    const { disk, folder, catalog } = this.#options;
    const id = catalog.newFileId();
    return await ContentWriter.create(disk, folder, catalog.pathOf(id), id);
  }

  /** Makes what was written durable, for an edit of the catalog that is the caller's. Nothing stays after a failure. */
  async stage(writer: ContentWriter): Promise<StagedContent> {
    try {
      const written = await writer.finish();
      return {
        written,
        publish: () => this.#replace([], [heldOf(written)]),
        abandon: () => this.#options.disk.remove(this.#options.catalog.pathOf(written.file)),
      };
    } catch (error) {
      await writer.abandon();
      throw error;
    }
  }

  /**
   * What was added is durable and there for readers once this has returned, before anybody names it. Where the commit's
   * outcome is unknown the file stays; the next opening sweeps it where nobody names it.
   */
  async commit(writer: ContentWriter): Promise<WrittenContent> {
    const staged = await this.stage(writer);
    await this.#options.catalog.commit({ add: [staged.written], remove: [], isPending: true });
    staged.publish();
    return staged.written;
  }

  /** Throws STORE_CONTENT_CORRUPT where the content is damaged, STORE_CONTENT_MISSING where no file has it. */
  async read(handle: ContentHandle): Promise<Uint8Array> {
    const held = this.#bySource.get(handle.file);
    if (held === undefined) {
      throw new HoldfastError("STORE_CONTENT_MISSING", `no file has the content of file ${handle.file}`, {
        hint: "a file of the store is gone: verify the store, restore it from a backup",
        details: { file: handle.file, row: handle.row, path: this.#options.catalog.pathOf(handle.file), offset: 0 },
      });
    }
    held.readers++;
    try {
      return await (await this.#opened(held)).read(handle);
    } catch (error) {
      this.#options.onDamage?.(held.file, error);
      throw error;
    } finally {
      await this.#endRead(held);
    }
  }

  /** Says that nobody will ask for this content again: for statistics and for the choice of files. */
  discard({ file, length }: Pick<ContentHandle, "file" | "length">): void {
    if (this.#bySource.has(file)) this.#garbage.set(file, (this.#garbage.get(file) ?? 0) + length);
  }

  statistics(): ContentFileStatistics[] {
    return [...this.#files.values()].map(({ file: id, sizeBytes, contentBytes, sources }) => {
      const garbageBytes = Math.min(contentBytes, sum(sources.map((source) => this.#garbage.get(source) ?? 0)));
      const fragmentation = contentBytes === 0 ? 0 : garbageBytes / contentBytes;
      return { id, sizeBytes, contentBytes, garbageBytes, fragmentation };
    });
  }

  /** What was discarded, by the file in which it was first written: for the catalog to keep. */
  get garbage(): ReadonlyMap<number, number> {
    return this.#garbage;
  }

  /** Told as a compaction goes on; `holdfast:content.compaction`. */
  onProgress(listener: Listener<CompactionProgress>): Disposable {
    return this.#progress.subscribe(listener);
  }

  /**
   * Copies what is live and frees the rest. Throws STORE_COMPACTION_RUNNING, STORE_COMPACTION_MEMORY, the signal's
   * reason, and what reading and writing throw; after any of these everything is as it was.
   */
  async compact(options: CompactOptions): Promise<CompactionResult> {
    this.#begin();
    try {
      return await this.#compact(options);
    } finally {
      this.#compacting = false;
    }
  }

  /**
   * In place of a file that is damaged comes what `rewrite` makes of it; nothing, where nothing of it can be read. As a
   * compaction, and never beside one.
   */
  async replaceDamaged(
    id: number,
    rewrite: (newFileId: number) => Promise<WrittenContent | undefined>,
  ): Promise<WrittenContent | undefined> {
    const held = this.#files.get(id);
    if (held === undefined) return undefined;
    this.#begin();
    held.readers++;
    try {
      const written = await rewrite(this.#options.catalog.newFileId());
      await this.#options.catalog.commit({ add: written === undefined ? [] : [written], remove: [id] });
      this.#replace([held], written === undefined ? [] : [heldOf(written)]);
      return written;
    } finally {
      this.#compacting = false;
      await this.#endRead(held);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const held of this.#files.values()) await this.#closed(held);
  }

  #begin(): void {
    if (this.#compacting) {
      throw new HoldfastError("STORE_COMPACTION_RUNNING", "a compaction of the content log is under way", {
        hint: "wait for it, or end it by its signal",
        retryable: true,
      });
    }
    this.#compacting = true;
  }

  async #compact(options: CompactOptions): Promise<CompactionResult> {
    options.signal?.throwIfAborted();
    const chosen = this.#chosen(options);
    if (chosen.length === 0) return { compacted: [], into: undefined, copiedEntries: 0, freedBytes: 0 };
    for (const held of chosen) held.readers++;
    try {
      return await this.#compactFiles(chosen, options);
    } finally {
      for (const held of chosen) await this.#endRead(held);
    }
  }

  async #compactFiles(chosen: readonly Held[], options: CompactOptions): Promise<CompactionResult> {
    const files = await Promise.all(chosen.map((held) => this.#opened(held)));
    this.#checkMemory(files);
    const writer = await this.write();
    let copiedEntries = 0;
    let staged: StagedContent | undefined;
    try {
      for await (const { handle, content } of this.#live(files, options)) {
        await writer.copy(handle, content);
        copiedEntries++;
      }
      options.signal?.throwIfAborted();
      await options.beforeCommit?.(); // mutant: content-before-log
      if (copiedEntries > 0) staged = await this.stage(writer);
    } finally {
      await writer.abandon();
    }
    const remove = chosen.map(({ file }) => file);
    // Whether a commit that fails took place may be unknown: the file stays, and the next opening sweeps it where
    // nobody names it.
    await this.#options.catalog.commit({ add: staged === undefined ? [] : [staged.written], remove });
    this.#replace(chosen, staged === undefined ? [] : [heldOf(staged.written)]);
    const freedBytes = sum(chosen.map(({ sizeBytes }) => sizeBytes)) - (staged?.written.sizeBytes ?? 0);
    return { compacted: remove, into: staged?.written.file, copiedEntries, freedBytes };
  }

  async *#live(files: readonly ContentFile[], { isLive, signal }: CompactOptions) {
    const totalBytes = sum(files.map(({ sizeBytes }) => sizeBytes));
    let doneBytes = 0;
    for (const file of files) {
      yield* file.contents(isLive, signal);
      doneBytes += file.sizeBytes;
      this.#progress.publish({ doneBytes, totalBytes });
    }
  }

  #chosen({ files, minimumGarbage = 0.3 }: CompactOptions): Held[] {
    const wanted =
      files ??
      this.statistics()
        .filter((one) => one.fragmentation >= minimumGarbage)
        .map(({ id }) => id);
    return [...new Set(wanted)].flatMap((id) => this.#files.get(id) ?? []);
  }

  #checkMemory(chosen: readonly ContentFile[]): void {
    // The indexes of the old files with their order of reading, that of the new one twice, and what is being copied.
    const neededBytes = copyBufferBytes + sum(chosen.map(({ entries }) => entries)) * (entryBytes * 4 + 48);
    const freeBytes = (this.#options.availableBytes ?? availableMemory)();
    const share = this.#options.memoryShare ?? 0.5;
    if (neededBytes <= freeBytes * share) return;
    throw new HoldfastError(
      "STORE_COMPACTION_MEMORY",
      `compacting ${chosen.length} files needs ${neededBytes} bytes, more than ${share} of the ${freeBytes} that are free`,
      {
        hint: "compact fewer files at once, free memory, or raise memoryShare",
        retryable: true,
        details: { neededBytes, freeBytes, share },
      },
    );
  }

  /** One assignment each: whoever reads has the old table or the new one. */
  #replace(removed: readonly Held[], added: readonly Held[]): void {
    const files = new Map(this.#files);
    for (const held of removed) {
      held.isRemoved = true;
      files.delete(held.file);
    }
    for (const held of added) files.set(held.file, held);
    this.#files = files;
    this.#bySource = bySource(files);
    const left = new Set(this.#bySource.keys());
    for (const source of this.#garbage.keys()) {
      const moved = removed.some(({ sources }) => sources.includes(source));
      if (moved || !left.has(source)) this.#garbage.delete(source);
    }
  }

  #opened(held: Held): Promise<ContentFile> {
    this.#openFiles.set(held.file, held);
    held.opened ??= this.#open(held).catch((error: unknown) => {
      held.opened = undefined;
      throw error;
    });
    return held.opened;
  }

  async #open({ file: id, sources }: Held): Promise<ContentFile> {
    const { disk, catalog } = this.#options;
    const file = await ContentFile.open(disk, catalog.pathOf(id), id);
    if (file.sources.join() === sources.join()) return file;
    await file.close();
    throw corrupt(file.path, file.sizeBytes, "it is not the file that the catalog names");
  }

  async #endRead(held: Held): Promise<void> {
    held.readers--;
    if (held.readers > 0) return;
    if (held.isRemoved) await this.#deleteUnread(held);
    else if (!this.#openFiles.has(held.file)) await this.#closed(held);
  }

  async #closed(held: Held): Promise<void> {
    const { opened } = held;
    this.#openFiles.delete(held.file);
    held.opened = undefined;
    const file = await opened?.catch(() => undefined);
    await file?.close();
  }

  async #deleteUnread(held: Held): Promise<void> {
    if (!held.isRemoved || held.readers > 0) return;
    held.isRemoved = false;
    await this.#closed(held);
    await this.#options.catalog.release(held.file);
  }
}

function heldOf({ file, sizeBytes, contentBytes, sources }: ContentFileFacts): Held {
  return { file, sizeBytes, contentBytes, sources, opened: undefined, readers: 0, isRemoved: false };
}

function bySource(files: ReadonlyMap<number, Held>): Map<number, Held> {
  return new Map([...files.values()].flatMap((held) => held.sources.map((source) => [source, held] as const)));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
