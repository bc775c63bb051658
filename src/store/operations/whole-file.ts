/**
 * Immutable files of a store as wholes: their checksum, a copy that is known to be right, and whether they are sound.
 */

import { basename, dirname } from "node:path";
import { crc32 } from "node:zlib";
import { HoldfastError } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { ContentFile } from "../content/content-file.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { BlockCache } from "../segment/block-cache.ts";
import { openSegment } from "../segment/segment.ts";
import { verifySegment } from "../segment/verify.ts";

const windowBytes = 1 << 20;

export interface CopyOptions {
  readonly disk: Disk;
  readonly file: ManifestFile;
  readonly from: string;
  readonly to: string;
  /** What the bytes must be; undefined where nobody noted it. */
  readonly checksum?: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Of all bytes; undefined where there is no such file. */
export async function checksumOf(disk: Disk, path: string, signal?: AbortSignal): Promise<number | undefined> {
  if ((await disk.stat(path))?.kind !== "file") return undefined;
  await using file = await disk.open(path, "read");
  let checksum = 0;
  for await (const bytes of windowsOf(file, signal)) checksum = crc32(bytes, checksum);
  return checksum;
}

/**
 * Copies the file, reads the copy back, and only then gives it its name, in place of what had it. The name is durable
 * when the folder was synced. Returns the checksum of all bytes.
 *
 * Throws STORE_COPY_DAMAGED where what was read is not what it should be, so that nothing bad replaces anything good.
 */
export async function copyVerified(options: CopyOptions): Promise<number> {
  const { disk, file, from, to, signal } = options;
  const temporary = `${to}.tmp`;
  await disk.remove(temporary);
  try {
    const checksum = await copy(disk, from, temporary, signal);
    if (options.checksum !== undefined && options.checksum !== checksum)
      throw damagedError(from, 0, "its bytes are not those that were noted of it");
    if ((await checksumOf(disk, temporary, signal)) !== checksum)
      throw damagedError(temporary, 0, "what is read back is not what was written");
    const fault = await faultOf(disk, temporary, file, signal);
    if (fault !== undefined) throw damagedError(from, fault.offset, fault.reason);
    await disk.rename(temporary, to);
    return checksum;
  } catch (error) {
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
}

async function copy(disk: Disk, from: string, to: string, signal: AbortSignal | undefined): Promise<number> {
  await using source = await disk.open(from, "read");
  await using target = await disk.open(to, "create-new");
  let [checksum, offset] = [0, 0];
  for await (const bytes of windowsOf(source, signal)) {
    checksum = crc32(bytes, checksum);
    await target.writeAt([bytes], offset);
    offset += bytes.length;
  }
  await target.sync();
  return checksum;
}

async function* windowsOf(
  file: { sizeBytes(): Promise<number>; readAt(target: Uint8Array, offset: number): Promise<number> },
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const sizeBytes = await file.sizeBytes();
  for (let offset = 0; offset < sizeBytes; ) {
    signal?.throwIfAborted();
    const bytes = new Uint8Array(Math.min(windowBytes, sizeBytes - offset));
    const count = await file.readAt(bytes, offset);
    if (count === 0) return;
    yield bytes.subarray(0, count);
    offset += count;
  }
}

/** Reads all of the file as what it is: the first thing that is wrong with it. */
async function faultOf(
  disk: Disk,
  path: string,
  file: ManifestFile,
  signal: AbortSignal | undefined,
): Promise<{ readonly offset: number; readonly reason: string } | undefined> {
  try {
    return await (file.kind === "segment" ? segmentFault : contentFault)(disk, path, file, signal);
  } catch (error) {
    if (!HoldfastError.is(error) || !/_CORRUPT$/.test(error.code)) throw error;
    const { offset } = error.details;
    return { offset: typeof offset === "number" ? offset : 0, reason: error.rawMessage };
  }
}

async function segmentFault(disk: Disk, path: string, file: ManifestFile, signal: AbortSignal | undefined) {
  const { sizeBytes, checksum } = file;
  const place = { disk, folder: dirname(path), name: basename(path), fileId: file.id };
  const cache = new BlockCache({ limitBytes: 0 });
  await using segment = await openSegment({ ...place, cache, expected: { sizeBytes, checksum } });
  return (await verifySegment(segment, signal === undefined ? {} : { signal })).damages[0];
}

async function contentFault(disk: Disk, path: string, file: ManifestFile, signal: AbortSignal | undefined) {
  const content = await ContentFile.open(disk, path, file.id);
  try {
    if (content.sizeBytes !== file.sizeBytes)
      return { offset: 0, reason: `it has ${content.sizeBytes} bytes instead of ${file.sizeBytes}` };
    for await (const found of content.checked(signal)) if (HoldfastError.is(found)) throw found;
    return undefined;
  } finally {
    await content.close();
  }
}

function damagedError(path: string, offset: number, reason: string): HoldfastError {
  return new HoldfastError("STORE_COPY_DAMAGED", `${path} cannot be copied, for it is damaged: ${reason}`, {
    hint: "Nothing was replaced by it. Verify the store (holdfast store verify) and mend what it finds.",
    details: { path, offset },
  });
}
