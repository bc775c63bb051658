/**
 * An index as a file: columns as they stand in memory, little-endian, each section at a multiple of 64 bytes.
 *
 *     0  magic "HFVECTOR"
 *     8  version u32 | metric u32 (0 cosine, 1 dot, 2 l2) | dimension u32 | rows u32
 *    24  M u32 | efConstruction u32 | seed u32 | quantisation u32 (0 none, 1 int8)
 *    40  file id u64
 *    48  entry row u32 (ffffffff: no graph) | rows of the graph u32 | lists above level 0 u32 | live rows u32
 *    64  seven sections: offset u64 | length in bytes u64 | checksum u32 | 0 u32
 *   232  zeros
 *   252  CRC-32 of the 252 bytes before u32
 *   256  sections, each padded with zeros to 64 bytes:
 *
 *        vectors   for each row `dimension` f32, padded with zeros to 64 bytes
 *        codes     for each row int8 codes, padded to 16, scale f32, bias f32, 8 bytes 0; or nothing
 *        ids       for each row u32
 *        live      for each row a bit, in words of 32
 *        levels    for each row of the graph a byte
 *        base      for each row of the graph 2M rows u32, ffffffff after the last
 *        upper     for each level above 0 of each row of the graph M rows u32, likewise
 *
 * A section's checksum is the CRC-32 of the file id, its offset and its bytes with the padding: none passes for
 * another, nor for one of another file. Checksums tell accidents, not intent: links, levels and numbers are checked
 * besides, so that no file makes a search hang or read elsewhere.
 */
import { crc32, HoldfastError } from "../../base/index.ts";
import { highestLevel, LinkGraph, none } from "./graph.ts";
import { IndexCore } from "./index-core.ts";
import { type IndexSettings, settingsOf, vectorLimits, vectorMetrics } from "./options.ts";

export interface VectorSerialiseOptions {
  /** 64 bits that every checksum is bound to, so that no part of another file passes for one of this. Default 0. */
  readonly fileId?: bigint;
  /** CRC-32 (IEEE 802.3) going on from `seed`, where the platform has a faster one (`node:zlib`). */
  readonly checksum?: (bytes: Uint8Array, seed: number) => number;
}

export interface VectorAdoptOptions extends VectorSerialiseOptions {
  /** As in `VectorIndexOptions`: not part of the file. Default 10,000. */
  readonly exactBelow?: number;
  readonly kernels?: "simd" | "javascript";
}

const magic = 0x524f_5443_4556_4648n;
const version = 1;
const headerBytes = 256;
const tableStart = 64;
const headerSum = 252;
const sectionNames = ["vectors", "codes", "ids", "live", "levels", "base", "upper"] as const;

/** What is worked on between two pauses. */
const pieceBytes = 2 ** 20;
const pieceRows = 4_096;

type Checksum = (bytes: Uint8Array, seed: number) => number;

export function encodeIndex(core: IndexCore, options: VectorSerialiseOptions): Uint8Array<ArrayBuffer> {
  const { fileId = 0n, checksum = crc32 } = options;
  const { column, graph } = core;
  const sections = sectionsOf(core);
  const ends = sections.map(({ length }) => padded(length));
  const bytes = new Uint8Array(ends.reduce((sum, length) => sum + length, headerBytes));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, magic, true);
  const { metric, dimension, connectivity, efConstruction, seed, quantisation } = core.settings;
  const quantised = quantisation === "int8" ? 1 : 0;
  const numbers = [
    vectorMetrics.indexOf(metric),
    dimension,
    column.count,
    connectivity,
    efConstruction,
    seed,
    quantised,
  ];
  for (const [place, number] of [version, ...numbers].entries()) view.setUint32(8 + place * 4, number, true);
  view.setBigUint64(40, BigInt.asUintN(64, fileId), true);
  const shape = [graph.entry, graph.count, graph.upperLists, core.liveCount];
  for (const [place, number] of shape.entries()) view.setUint32(48 + place * 4, number, true);
  let offset = headerBytes;
  for (const [place, section] of sections.entries()) {
    bytes.set(section, offset);
    const whole = bytes.subarray(offset, offset + ends[place]!);
    const at = tableStart + place * 24;
    view.setBigUint64(at, BigInt(offset), true);
    view.setBigUint64(at + 8, BigInt(section.length), true);
    view.setUint32(at + 16, boundChecksum(checksum, fileId, offset, whole), true);
    offset += whole.length;
  }
  view.setUint32(headerSum, checksum(bytes.subarray(0, headerSum), 0), true);
  return bytes;
}

function sectionsOf({ column, ids, live, graph }: IndexCore): Uint8Array[] {
  const words = (array: Uint32Array, length: number): Uint8Array =>
    new Uint8Array(array.buffer, array.byteOffset, length * 4);
  const { count } = column;
  return [
    column.vectorBytes(),
    column.codeBytes(),
    words(ids, count),
    words(live, (count + 31) >>> 5),
    graph.levels.subarray(0, graph.count),
    words(graph.base, graph.count * graph.connectivity * 2),
    words(graph.upper, graph.upperLists * graph.connectivity),
  ];
}

function padded(length: number): number {
  return Math.ceil(length / 64) * 64;
}

function boundChecksum(checksum: Checksum, fileId: bigint, offset: number, bytes: Uint8Array): number {
  const place = new DataView(new ArrayBuffer(16));
  place.setBigUint64(0, BigInt.asUintN(64, fileId), true);
  place.setBigUint64(8, BigInt(offset), true);
  return checksum(bytes, checksum(new Uint8Array(place.buffer), 0)) >>> 0;
}

function corrupt(what: string, offset: number): HoldfastError {
  return new HoldfastError("STORE_VECTOR_CORRUPT", `the vector index is damaged at byte ${offset}: ${what}`, {
    hint: "build it anew from the vectors' source, or take another copy",
    details: { offset },
  });
}

/** The work of adopting, as pieces of about a millisecond, with a pause after every one; the bytes stay as they are. */
export function* decodeWork(given: Uint8Array, options: VectorAdoptOptions): Generator<void, IndexCore, void> {
  // The slice of a Node Buffer is no copy.
  const bytes = new Uint8Array(given.buffer, given.byteOffset, given.length);
  const { fileId = 0n, checksum = crc32, exactBelow = 10_000 } = options;
  const view = headerOf(bytes, checksum, fileId);
  const number = (at: number): number => view.getUint32(at, true);
  const settings = settingsIn(number, exactBelow);
  const { connectivity, dimension, quantisation } = settings;
  const count = number(20);
  const [entry, graphRows, upperLists, liveRows] = [48, 52, 56, 60].map(number) as [number, number, number, number];
  if (graphRows > count || liveRows > count) throw corrupt("it says more rows than it has", 52);
  const rowBytes = padded(dimension * 4);
  const codeRowBytes = quantisation === "int8" ? Math.ceil(dimension / 16) * 16 + 16 : 0;
  const [vectors, codes, ids, live, levels, base, upper] = (yield* sectionsIn(bytes, view, checksum, fileId, [
    count * rowBytes,
    count * codeRowBytes,
    count * 4,
    ((count + 31) >>> 5) * 4,
    graphRows,
    graphRows * connectivity * 8,
    upperLists * connectivity * 4,
  ])) as [Section, Section, Section, Section, Section, Section, Section];
  const graph = new LinkGraph(connectivity);
  graph.levels = levels.bytes.slice();
  graph.base = yield* wordsOf(base.bytes);
  graph.upper = yield* wordsOf(upper.bytes);
  graph.count = graphRows;
  graph.upperLists = upperLists;
  graph.entry = entry;
  checkLevels(graph, levels.offset);
  for (let level = 0; level <= graph.topLevel; level++) yield* checkLinks(graph, level, level === 0 ? base : upper);
  const core = new IndexCore(settings, count, options.kernels, graph);
  yield* takeRows(core, vectors, codes, count);
  core.ids = yield* wordsOf(ids.bytes);
  core.live = yield* wordsOf(live.bytes);
  yield* checkIds(core, liveRows, ids.offset, live.offset);
  return core;
}

/** The settings of a header; throws STORE_VECTOR_CORRUPT where they are outside the limits. */
function settingsIn(number: (at: number) => number, exactBelow: number): IndexSettings {
  const metric = vectorMetrics[number(12)];
  const [dimension, connectivity, efConstruction, seed, quantised] = [16, 24, 28, 32, 36].map(number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const valid =
    metric !== undefined &&
    dimension >= 1 &&
    dimension <= vectorLimits.dimension &&
    connectivity >= 2 &&
    connectivity <= vectorLimits.connectivity &&
    efConstruction >= connectivity &&
    efConstruction <= vectorLimits.efConstruction &&
    quantised <= 1;
  if (!valid) throw corrupt("its settings are outside the limits", 12);
  const quantisation = quantised === 1 ? "int8" : "none";
  return settingsOf({ dimension, metric, connectivity, efConstruction, seed, quantisation, exactBelow });
}

interface Section {
  readonly bytes: Uint8Array;
  readonly offset: number;
}

function headerOf(bytes: Uint8Array, checksum: Checksum, fileId: bigint): DataView {
  if (bytes.length < headerBytes) throw corrupt(`it has ${bytes.length} bytes, less than a header`, bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getBigUint64(0, true) !== magic) throw corrupt("this is no vector index", 0);
  if (checksum(bytes.subarray(0, headerSum), 0) >>> 0 !== view.getUint32(headerSum, true)) {
    throw corrupt("the header's checksum is wrong", headerSum);
  }
  if (view.getUint32(8, true) !== version) throw corrupt(`version ${view.getUint32(8, true)} is unknown`, 8);
  if (view.getBigUint64(40, true) !== BigInt.asUintN(64, fileId)) throw corrupt("the file id is another", 40);
  return view;
}

/** The sections, whose lengths follow from the header, after their checksums. */
function* sectionsIn(
  bytes: Uint8Array,
  view: DataView,
  checksum: Checksum,
  fileId: bigint,
  lengths: readonly number[],
): Generator<void, Section[], void> {
  let offset = headerBytes;
  const sections: Section[] = [];
  for (const [place, length] of lengths.entries()) {
    const name = sectionNames[place]!;
    const at = tableStart + place * 24;
    if (view.getBigUint64(at, true) !== BigInt(offset) || view.getBigUint64(at + 8, true) !== BigInt(length)) {
      throw corrupt(`section ${name} is not where it belongs`, at);
    }
    if (offset + padded(length) > bytes.length) throw corrupt(`section ${name} is cut off`, bytes.length);
    const whole = bytes.subarray(offset, offset + padded(length));
    let sum = boundChecksum(checksum, fileId, offset, whole.subarray(0, pieceBytes));
    for (let from = pieceBytes; from < whole.length; from += pieceBytes) {
      yield;
      sum = checksum(whole.subarray(from, from + pieceBytes), sum) >>> 0;
    }
    if (sum !== view.getUint32(at + 16, true)) throw corrupt(`the checksum of section ${name} is wrong`, offset);
    sections.push({ bytes: whole.subarray(0, length), offset });
    offset += whole.length;
    yield;
  }
  if (offset !== bytes.length) throw corrupt("bytes follow after the last section", offset);
  return sections;
}

/** A copy, for the index will change and the file's bytes are not its own. */
function* wordsOf(bytes: Uint8Array): Generator<void, Uint32Array, void> {
  const copy = new Uint8Array(bytes.length);
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    copy.set(bytes.subarray(from, from + pieceBytes), from);
    yield;
  }
  return new Uint32Array(copy.buffer);
}

/** Checks levels and entry, and fills in where the lists above level 0 begin. */
function checkLevels(graph: LinkGraph, offset: number): void {
  graph.upperStart = new Uint32Array(graph.count);
  let lists = 0;
  let top = 0;
  for (let row = 0; row < graph.count; row++) {
    const level = graph.levels[row]!;
    if (level > highestLevel) throw corrupt(`row ${row} stands on level ${level}`, offset + row);
    graph.upperStart[row] = lists;
    lists += level;
    top = Math.max(top, level);
  }
  if (lists !== graph.upperLists) throw corrupt(`${lists} lists above level 0 were to be ${graph.upperLists}`, offset);
  const { entry } = graph;
  if (entry === none && lists === 0) return;
  if (entry >= graph.count || graph.levels[entry] !== top) throw corrupt(`row ${entry} is no entry`, 48);
}

/** Checks that lists have no holes and lead to rows that stand on that level. */
function* checkLinks(graph: LinkGraph, level: number, { offset }: Section): Generator<void, void, void> {
  const column = graph.column(level);
  const width = graph.width(level);
  for (let row = 0; row < graph.count; row++) {
    if (graph.levels[row]! < level) continue;
    const start = graph.start(row, level);
    let ended = false;
    for (let place = start; place < start + width; place++) {
      const to = column[place]!;
      if (to === none) ended = true;
      else if (ended || to >= graph.count || graph.levels[to]! < level) {
        throw corrupt(`row ${row} has a link to ${to} on level ${level}`, offset + place * 4);
      }
    }
    if (row % pieceRows === 0) yield;
  }
}

function* takeRows(core: IndexCore, vectors: Section, codes: Section, count: number): Generator<void, void, void> {
  const { column } = core;
  for (const [bytes, target] of [
    [vectors.bytes, column.vectorBytes(count)],
    [codes.bytes, column.codeBytes(count)],
  ] as const) {
    for (let from = 0; from < bytes.length; from += pieceBytes) {
      target.set(bytes.subarray(from, from + pieceBytes), from);
      yield;
    }
  }
  column.count = count;
  const rowsAtOnce = Math.max(1, Math.min(pieceRows, Math.floor(pieceBytes / column.rowBytes)));
  for (let row = 0; row < count; row++) {
    if (!column.isSound(row)) throw corrupt(`the vector of row ${row}`, vectors.offset + row * column.rowBytes);
    if (row % rowsAtOnce === 0) yield;
  }
}

function* checkIds(
  core: IndexCore,
  liveRows: number,
  idsOffset: number,
  liveOffset: number,
): Generator<void, void, void> {
  const { column, graph, ids, live, table } = core;
  for (let row = 0; row < column.count; row++) {
    const isLive = core.isLive(row);
    core.idsAreRows &&= ids[row] === row;
    if (isLive && core.rowOf(ids[row]!) >= 0) throw corrupt(`id ${ids[row]} stands twice`, idsOffset + row * 4);
    if (isLive || table.rowOf(ids[row]!, ids) < 0) table.set(ids[row]!, row, ids);
    core.liveCount += isLive ? 1 : 0;
    if (isLive && graph.entry === none && row < graph.count) throw corrupt(`no way leads to row ${row}`, 48);
    if (row % pieceRows === 0) yield;
  }
  const tail = column.count % 32;
  const beyond = tail === 0 ? 0 : live.at(-1)! >>> tail;
  if (core.liveCount !== liveRows || beyond !== 0) throw corrupt("the live rows are not as many as said", liveOffset);
}
