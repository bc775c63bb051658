/**
 * A segment: an immutable run of entries in the order of the store, in one file. All numbers are little-endian; all
 * parts begin on multiples of 64, the bytes between them are zero.
 *
 *     +--------------------+ 0
 *     | header, 64 bytes   |
 *     +--------------------+ 64
 *     | data blocks        | entries (block.ts)
 *     +--------------------+
 *     | tombstone blocks   | all tombstones once more, in blocks of the same form: damage elsewhere revives nothing
 *     +--------------------+
 *     | sections of others | by type: a vector index, a graph
 *     +--------------------+
 *     | block index        | of the data, then of the tombstones (block-index.ts)
 *     | filter             | (filter.ts)
 *     | properties         | (properties.ts)
 *     +--------------------+
 *     | section table      | 32 bytes a section
 *     +--------------------+
 *     | tail, 64 bytes     |
 *     +--------------------+ end of the file
 *
 *     header                         section table, per section        tail
 *      0  magic "HOLDSEG1"            0  u32 type                        0  u32 CRC-32 of bytes 4…63
 *      8  u32 format version          4  u32 CRC-32                      4  u32 CRC-32 of the section table
 *     12  u32 CRC-32 of 0…11, 16…23   8  u64 offset                      8  u64 file id
 *     16  u64 file id                16  u64 length                     16  u64 size of the file
 *     24  zero                       24  zero                           24  u32 number of sections
 *                                                                       28  u32 format version
 *                                                                       32  zero
 *                                                                       56  magic "HOLDSEG1"
 *
 * Every checksum goes on from that of the file id and of the place it is about, so that what is right in itself but
 * stands in the wrong place, or belongs to another file, fails. The tail's covers the table's, the table's the
 * sections', and the index the blocks': the CRC of the tail, which the manifest keeps, stands for the whole file. A
 * block that is whole but stale fails by the index.
 *
 * The place and the meaning of magic, version and both CRCs in the tail hold for all versions to come.
 */

export const formatVersion = 1;
export const magic: Uint8Array = Uint8Array.from("HOLDSEG1", (letter) => letter.charCodeAt(0));
export const alignmentBytes = 64;
export const headerBytes = 64;
export const tailBytes = 64;
export const tableRowBytes = 32;
export const sectionLimit = 256;

/** Types from 256 on are for what is put in by others. */
export const sectionType = {
  data: 1,
  tombstones: 2,
  dataIndex: 3,
  tombstoneIndex: 4,
  filter: 5,
  properties: 6,
} as const;
export const firstForeignType = 256;

export interface Section {
  readonly type: number;
  readonly checksum: number;
  readonly offset: number;
  readonly lengthBytes: number;
}

export function sectionName(type: number): string {
  return Object.entries(sectionType).find(([, value]) => value === type)?.[0] ?? `section ${type}`;
}

export function aligned(offset: number): number {
  return Math.ceil(offset / alignmentBytes) * alignmentBytes;
}
