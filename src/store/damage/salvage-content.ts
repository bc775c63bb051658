/**
 * Writes a damaged content file anew with every content of it that can still be read.
 *
 * A record is bound to its file and its place by its checksum, and says itself to which handle it belongs: so the file
 * is walked without its index. Handles stay as they are; one whose content is lost leads to a row that is not there,
 * which is an error for whoever reads it (STORE_CONTENT_CORRUPT, or STORE_CONTENT_MISSING where nothing of that file is
 * left), and never another content. Nothing of the damaged file is changed.
 */

import { join } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { headerBytes, padded, recordHeadBytes } from "../content/content-format.ts";
import { ContentWriter, type WrittenContent } from "../content/content-writer.ts";
import type { ContentHandle } from "../content/index.ts";
import { checksumAt, readU64, viewOf } from "../little-endian.ts";
import { fileName } from "../manifest/names.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { DamagedBytes, type Unreadable } from "./damaged-bytes.ts";

export interface SalvageContentOptions {
  readonly disk: Disk;
  readonly folder: string;
  /** What the manifest says of the damaged file. */
  readonly file: ManifestFile;
  /** A number that no file had. */
  readonly newFileId: number;
  /** What a device cannot read is lost, or ends it with DISK_IO. Default "lost". */
  readonly unreadable?: Unreadable;
  readonly signal?: AbortSignal;
}

export interface ContentSalvage {
  /** For the manifest, in place of the damaged one; undefined where nothing can be read. */
  readonly file: ManifestFile | undefined;
  /** The same, for the content log. */
  readonly written: WrittenContent | undefined;
  readonly contents: number;
}

/** Throws what the disk refuses (DISK_*, but not DISK_IO) and the signal's reason; then there is no new file. */
export async function salvageContent(options: SalvageContentOptions): Promise<ContentSalvage> {
  const { disk, folder, file, newFileId } = options;
  const path = join(folder, fileName({ id: newFileId, kind: "content" }));
  const writer = await ContentWriter.create(disk, folder, path, newFileId);
  let contents = 0;
  try {
    for await (const { handle, content } of readableContents(options)) {
      await writer.copy(handle, content);
      contents++;
    }
    if (contents > 0) {
      const written = await writer.finish();
      return { file: { ...file, id: newFileId, sizeBytes: written.sizeBytes }, written, contents };
    }
  } catch (error) {
    await writer.abandon();
    throw error;
  }
  await writer.abandon();
  return { file: undefined, written: undefined, contents };
}

async function* readableContents({
  disk,
  folder,
  file,
  unreadable,
  signal,
}: SalvageContentOptions): AsyncGenerator<{ readonly handle: ContentHandle; readonly content: Uint8Array }> {
  const path = join(folder, fileName(file));
  if ((await disk.stat(path)) === undefined) return;
  await using damaged = await disk.open(path, "read");
  const sizeBytes = await damaged.sizeBytes();
  const bytes = new DamagedBytes(damaged, sizeBytes, unreadable);
  const seen = new Set<string>();
  for (let offset = headerBytes; offset + recordHeadBytes <= sizeBytes; ) {
    signal?.throwIfAborted();
    const found = await recordAt(bytes, file.id, offset);
    if (found === undefined) {
      offset += 8;
      continue;
    }
    offset += padded(recordHeadBytes + found.handle.length);
    const name = `${found.handle.file}:${found.handle.row}`;
    if (seen.has(name)) throw twice(path, offset);
    seen.add(name);
    yield found;
  }
}

async function recordAt(
  bytes: DamagedBytes,
  fileId: number,
  offset: number,
): Promise<{ readonly handle: ContentHandle; readonly content: Uint8Array } | undefined> {
  const head = await bytes.at(offset, recordHeadBytes);
  if (head === undefined) return undefined;
  const view = viewOf(head);
  const [file, row, length] = [readU64(view, 8), view.getUint32(16, true), view.getUint32(4, true)];
  // What cannot be a handle of this store is not read at the length that it names.
  if (!(file >= 1 && file <= fileId)) return undefined;
  const record = await bytes.at(offset, recordHeadBytes + length);
  if (record === undefined || view.getUint32(0, true) !== checksumAt(fileId, offset, record.subarray(4)))
    return undefined;
  return {
    handle: { file, row, length, checksum: view.getUint32(20, true) },
    content: record.subarray(recordHeadBytes),
  };
}

/** No writer does that: which of them a handle means, nobody can say. */
function twice(path: string, offset: number): HoldfastError {
  return new HoldfastError("STORE_CONTENT_CORRUPT", `${path} has one content twice, once before byte ${offset}`, {
    hint: "Restore the file from a backup.",
    details: { path, offset },
  });
}
