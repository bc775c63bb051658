/**
 * A content file: immutable once it has its name, read at any place without reading the rest.
 *
 *      0  magic "HFCONT01"                                                8 bytes
 *      8  format version = 1                                              u32
 *     12  0                                                               u32
 *     16  number of this file                                             u64
 *     24  0                                                               u32
 *     28  CRC-32 of bytes 0 to 27                                         u32
 *     32  records, each at a multiple of 8:
 *           0  CRC-32 of the rest of it, bound to this file and to its own offset (`checksumAt`)   u32
 *           4  length of the content                                      u32
 *           8  file in which it was first written                         u64
 *          16  row there                                                  u32
 *          20  CRC-32 of the content                                      u32
 *          24  the content, then zeros to a multiple of 8
 *   index  E entries and R runs, sorted by first file and row:
 *           offsets of the records                                        E x f64
 *           of each run the first file, as f64, then its first entry and how many, as u32 each   R x 16
 *           rows                                                          E x u32
 *           lengths                                                       E x u32
 *  footer  the last 48 bytes:
 *           0  magic "HFCONTIX"                                           8 bytes
 *           8  offset of the index                                        u64
 *          16  E                                                          u32
 *          20  R                                                          u32
 *          24  number of this file                                        u64
 *          32  bytes of content                                           f64
 *          40  CRC-32 of the index                                        u32
 *          44  CRC-32 of bytes 0 to 43 of the footer                      u32
 *
 * All little-endian. A file that is the first for its content has one run, its own, whose rows are 0, 1, 2 and so on;
 * one that compaction wrote has a run for each file whose content it took over, with the rows that were left.
 */

import { HoldfastError } from "../../base/index.ts";

export const fileMagic = "HFCONT01";
export const indexMagic = "HFCONTIX";
export const contentVersion = 1;
export const headerBytes = 32;
export const recordHeadBytes = 24;
export const footerBytes = 48;
export const entryBytes = 16;
export const runBytes = 16;
/** Of one content: what a Uint32 and an ArrayBuffer of every engine can hold, with room for the head. */
export const contentLimitBytes = 2 ** 31 - 1_024;

export function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

export function indexBytesOf(entries: number, runs: number): number {
  return entries * entryBytes + runs * runBytes;
}

export function corrupt(path: string, offset: number, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError("STORE_CONTENT_CORRUPT", `${path} is damaged at byte ${offset}: ${what}`, {
    cause,
    hint: "restore the file from a backup; what else is in it can still be read",
    details: { path, offset },
  });
}
