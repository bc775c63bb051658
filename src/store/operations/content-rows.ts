/**
 * Which contents there are, by the handles that lead to them: twelve bytes each, so that millions of handles can be
 * checked without reading a content twice.
 */

import type { ContentHandle } from "../content/index.ts";

interface Rows {
  /** Of each row its length and one, 0 where it is not there. */
  lengths: Float64Array;
  checksums: Uint32Array;
}

/** Of one file: more than any has, and little enough that a forged number costs no memory. */
const rowLimit = 2 ** 26;

export class ContentRows {
  readonly #bySource = new Map<number, Rows>();

  add({ file, row, length, checksum }: ContentHandle): void {
    if (row >= rowLimit) return;
    let rows = this.#bySource.get(file);
    if (rows === undefined)
      this.#bySource.set(file, (rows = { lengths: new Float64Array(64), checksums: new Uint32Array(64) }));
    if (row >= rows.lengths.length) grow(rows, row);
    rows.lengths[row] = length + 1;
    rows.checksums[row] = checksum;
  }

  /** Why this handle does not lead to its content; undefined where it does. */
  fault({ file, row, length, checksum }: ContentHandle): string | undefined {
    const rows = this.#bySource.get(file);
    const found = rows === undefined || row >= rows.lengths.length ? 0 : rows.lengths[row];
    if (rows === undefined || found === 0) return `no readable file has row ${row} of file ${file}`;
    if (found !== length + 1) return `row ${row} of file ${file} has ${found - 1} bytes instead of ${length}`;
    return rows.checksums[row] === checksum ? undefined : `row ${row} of file ${file} is another content`;
  }
}

function grow(rows: Rows, row: number): void {
  const count = Math.max(row + 1, rows.lengths.length * 2);
  const lengths = new Float64Array(count);
  lengths.set(rows.lengths);
  const checksums = new Uint32Array(count);
  checksums.set(rows.checksums);
  rows.lengths = lengths;
  rows.checksums = checksums;
}
