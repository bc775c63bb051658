/**
 * The layer of the graph that is not written any more: compressed sparse rows in one run of bytes, read where they lie.
 *
 *      0  magic "HFGRAPH1"                                         8 bytes
 *      8  format version = 1                                       u32
 *     12  N: names (ids and types)                                 u32
 *     16  E: changes                                               u32
 *     20  B: bytes of all names                                    u32
 *     24  CRC-32 of bytes 0 to 23                                  u32
 *     28  CRC-32 of everything from 32 on                          u32
 *     32  sequence numbers                                         E x f64
 *         weights; NaN where the edge was removed                  E x f32
 *         targets, as numbers of names                             E x u32
 *         types, as numbers of names                               E x u32
 *         where the changes of each source begin                   (N + 1) x u32
 *         where the changes to each target begin, in the next      (N + 1) x u32
 *         changes by target: numbers of changes                    E x u32
 *         where each name begins, in the next                      (N + 1) x u32
 *         names, sorted by their bytes                             B bytes, UTF-8
 *
 * All little-endian. Changes are sorted by source, type and target, the newest first. Every number is checked against
 * what it counts when the bytes are adopted, so that nothing read later can lead outside.
 */

import { assert, crc32, HoldfastError, utf8, utf8Text } from "../../base/index.ts";
import { viewOf } from "../little-endian.ts";
import { compareChanges, compareText, type Direction, type EdgeChange, type GraphLayer } from "./edge.ts";

const magic = "HFGRAPH1";
const formatVersion = 1;
const headerBytes = 32;

/** The bytes of a layer with these changes. They may come in any order; none may come twice. */
export function encodeGraph(changes: Iterable<EdgeChange>): Uint8Array<ArrayBuffer> {
  const sorted = [...changes].sort(compareChanges);
  const names = [...new Set(sorted.flatMap(({ source, type, target }) => [source, type, target]))].sort(compareText);
  const numberOf = new Map(names.map((name, number) => [name, number]));
  const encoded = names.map(utf8);
  const nameBytes = encoded.reduce((sum, name) => sum + name.length, 0);
  const layout = layoutOf(names.length, sorted.length, nameBytes);
  const bytes = new Uint8Array(layout.endBytes);
  const columns = columnsOf(bytes, layout);

  for (const [place, change] of sorted.entries()) {
    assert(place === 0 || compareChanges(sorted[place - 1]!, change) < 0, "no change comes twice in a graph");
    columns.sequences[place] = change.sequence;
    columns.weights[place] = change.weight ?? Number.NaN;
    columns.targets[place] = numberOf.get(change.target)!;
    columns.types[place] = numberOf.get(change.type)!;
    columns.sourceStarts[numberOf.get(change.source)! + 1]!++;
    columns.targetStarts[columns.targets[place]! + 1]!++;
  }
  for (let name = 0; name < names.length; name++) {
    columns.sourceStarts[name + 1]! += columns.sourceStarts[name]!;
    columns.targetStarts[name + 1]! += columns.targetStarts[name]!;
    columns.nameStarts[name + 1] = columns.nameStarts[name]! + encoded[name]!.length;
    columns.names.set(encoded[name]!, columns.nameStarts[name]);
  }
  const next = columns.targetStarts.slice();
  for (let place = 0; place < sorted.length; place++) columns.byTarget[next[columns.targets[place]!]!++] = place;

  const view = viewOf(bytes);
  bytes.set(utf8(magic), 0);
  for (const [place, value] of [formatVersion, names.length, sorted.length, nameBytes].entries()) {
    view.setUint32(8 + place * 4, value, true);
  }
  view.setUint32(24, crc32(bytes.subarray(0, 24)), true);
  view.setUint32(28, crc32(bytes.subarray(headerBytes)), true);
  return bytes;
}

/**
 * The layer that these bytes are, without a copy where they begin at a multiple of eight. Throws STORE_GRAPH_CORRUPT,
 * which says where, and STORE_VERSION for a newer format.
 */
export function adoptGraph(bytes: Uint8Array): GraphSegment {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  if (aligned.length < headerBytes) throw corrupt(0, `${aligned.length} bytes are no graph`);
  const view = viewOf(aligned);
  if (utf8Text(aligned.subarray(0, 8)) !== magic) throw corrupt(0, "it does not begin as a graph does");
  if (crc32(aligned.subarray(0, 24)) !== view.getUint32(24, true)) throw corrupt(0, "the header's checksum is wrong");
  const version = view.getUint32(8, true);
  if (version !== formatVersion) {
    throw new HoldfastError("STORE_VERSION", `a graph of format ${version}; this Holdfast reads ${formatVersion}`, {
      hint: "open it with the version that wrote it, or a newer one",
    });
  }
  const layout = layoutOf(view.getUint32(12, true), view.getUint32(16, true), view.getUint32(20, true));
  if (layout.endBytes !== aligned.length) throw corrupt(12, `${layout.endBytes} bytes are announced`);
  if (crc32(aligned.subarray(headerBytes)) !== view.getUint32(28, true))
    throw corrupt(headerBytes, "a checksum is wrong");
  const columns = columnsOf(aligned, layout);
  checkColumns(columns, layout);
  return new GraphSegment(columns, layout);
}

export class GraphSegment implements GraphLayer {
  readonly size: number;
  readonly #columns: Columns;
  readonly #layout: Layout;

  /** Use `adoptGraph(bytes)`. */
  constructor(columns: Columns, layout: Layout) {
    this.#columns = columns;
    this.#layout = layout;
    this.size = layout.changes;
  }

  *changesOf(id: string, direction: Direction): Generator<EdgeChange> {
    const { sourceStarts, targetStarts, byTarget } = this.#columns;
    const number = this.#find(id);
    if (number === -1) return;
    const starts = direction === "out" ? sourceStarts : targetStarts;
    for (let place = starts[number]!; place < starts[number + 1]!; place++) {
      if (direction === "out") yield this.#change(place, id);
      else yield this.#change(byTarget[place]!);
    }
  }

  *all(): Generator<EdgeChange> {
    const { sourceStarts } = this.#columns;
    for (let number = 0; number < this.#layout.names; number++) {
      if (sourceStarts[number] === sourceStarts[number + 1]) continue;
      const source = this.#name(number);
      for (let place = sourceStarts[number]!; place < sourceStarts[number + 1]!; place++) {
        yield this.#change(place, source);
      }
    }
  }

  #change(place: number, source = this.#name(this.#sourceOf(place))): EdgeChange {
    const { sequences, weights, targets, types } = this.#columns;
    const weight = weights[place]!;
    return {
      source,
      type: this.#name(types[place]!),
      target: this.#name(targets[place]!),
      weight: Number.isNaN(weight) ? undefined : weight,
      sequence: sequences[place]!,
    };
  }

  /** The last source whose changes begin at or before the place: binary search over the row starts. */
  #sourceOf(place: number): number {
    const { sourceStarts } = this.#columns;
    let low = 0;
    let high = this.#layout.names;
    while (low + 1 < high) {
      const middle = (low + high) >>> 1;
      if (sourceStarts[middle]! <= place) low = middle;
      else high = middle;
    }
    return low;
  }

  #find(name: string): number {
    let low = 0;
    let high = this.#layout.names - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const order = compareText(this.#name(middle), name);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  #name(number: number): string {
    const { names, nameStarts } = this.#columns;
    return utf8Text(names.subarray(nameStarts[number], nameStarts[number + 1]));
  }
}

interface Layout {
  readonly names: number;
  readonly changes: number;
  readonly nameBytes: number;
  readonly endBytes: number;
}

type Columns = ReturnType<typeof columnsOf>;

function layoutOf(names: number, changes: number, nameBytes: number): Layout {
  const endBytes = headerBytes + changes * 24 + (names + 1) * 12 + nameBytes;
  return { names, changes, nameBytes, endBytes };
}

function columnsOf(bytes: Uint8Array, { names, changes, nameBytes }: Layout) {
  const buffer = bytes.buffer;
  let at = bytes.byteOffset + headerBytes;
  const take = (size: number): number => (at += size) - size;
  return {
    sequences: new Float64Array(buffer, take(changes * 8), changes),
    weights: new Float32Array(buffer, take(changes * 4), changes),
    targets: new Uint32Array(buffer, take(changes * 4), changes),
    types: new Uint32Array(buffer, take(changes * 4), changes),
    sourceStarts: new Uint32Array(buffer, take((names + 1) * 4), names + 1),
    targetStarts: new Uint32Array(buffer, take((names + 1) * 4), names + 1),
    byTarget: new Uint32Array(buffer, take(changes * 4), changes),
    nameStarts: new Uint32Array(buffer, take((names + 1) * 4), names + 1),
    names: new Uint8Array(buffer, take(nameBytes), nameBytes),
  };
}

/** A forged file can have right checksums: then it may answer wrongly, but it cannot lead outside. */
function checkColumns(columns: Columns, { names, changes, nameBytes }: Layout): void {
  const below = (list: Uint32Array, limit: number): boolean => list.every((number) => number < limit);
  const starts = (list: Uint32Array, end: number): boolean =>
    list[0] === 0 && list[names] === end && list.every((start, place) => place === 0 || start >= list[place - 1]!);
  if (!below(columns.targets, names) || !below(columns.types, names)) throw corrupt(headerBytes, "a name is missing");
  if (!below(columns.byTarget, changes)) throw corrupt(headerBytes, "a change is missing");
  if (!starts(columns.sourceStarts, changes) || !starts(columns.targetStarts, changes)) {
    throw corrupt(headerBytes, "rows are out of order");
  }
  if (!starts(columns.nameStarts, nameBytes)) throw corrupt(headerBytes, "names are out of order");
}

function corrupt(offset: number, what: string): HoldfastError {
  return new HoldfastError("STORE_GRAPH_CORRUPT", `a graph is damaged at byte ${offset}: ${what}`, {
    hint: "rebuild it from the items' own edges, or restore the file from a backup",
    details: { offset },
  });
}
