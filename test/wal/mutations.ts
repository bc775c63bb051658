/**
 * Ways to spoil a log that know how it is built: bytes and ranges anywhere, whole frames, fields of a frame whose
 * checksums are then made right again, and whole files.
 */
import { folder } from "./example-log.ts";
import {
  contentEnd,
  type Format,
  type FrameBytes,
  framesOf,
  headerBytes,
  resealBinary,
  resealLine,
  spliced,
} from "./log-bytes.ts";
import type { Files } from "./memory-disk.ts";

export interface Mutated {
  readonly files: Files;
  /** What was done, for whoever has to find out. */
  readonly done: readonly string[];
  /** Whether frames may be in it that pass every check of their own and were never written like that. */
  readonly forged: boolean;
}

interface Spoiling {
  readonly random: () => number;
  readonly format: Format;
  readonly files: Map<string, Uint8Array>;
  /** Files of another log. */
  readonly others: Files;
}

type Mutation = (spoiling: Spoiling) => string;

const below = (random: () => number, count: number): number => Math.floor(random() * count);
const oneOf = <T>(random: () => number, list: readonly T[]): T => list[below(random, list.length)]!;

const logPaths = (files: Files): string[] => [...files.keys()].filter((path) => /\.(wal|jsonl)$/.test(path));

/** Sizes and counts at which arithmetic goes wrong, and those just beside what is right. */
function badNumber(random: () => number, right: bigint): bigint {
  const beside = [right - 256n, right - 1n, right + 1n, right + 256n, right * 2n];
  const edges = [0n, 1n, 255n, 2n ** 24n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n - 1n, 2n ** 53n];
  return BigInt.asUintN(64, oneOf(random, [...beside, ...edges, 2n ** 63n, 2n ** 64n - 1n]));
}

/** Of the binary header: where a field lies, and how many bytes it has. */
const fields = [
  [8, 4, "version"],
  [12, 4, "endian marker"],
  [16, 8, "transaction id"],
  [32, 8, "sequence"],
  [40, 8, "epoch"],
  [48, 8, "timestamp"],
  [56, 4, "type"],
  [60, 8, "payload size"],
  [100, 8, "next offset"],
  [112, 8, "link"],
  [144, 8, "offset"],
  [152, 8, "synced offset"],
  [160, 8, "file number"],
  [168, 4, "layout"],
  [172, 4, "entries"],
] as const;

const jsonFields = ["lsn", "type", "time", "tx", "data", "version", "file", "at", "synced", "epoch", "link"] as const;
const badValues: readonly unknown[] = [
  ...[null, true, -1, 0, 0.5, 1e300, 2 ** 53, "", "x", "records", "file", "seal", "commit", "f".repeat(32)],
  ...[[], {}, [""], [[]], [{ base64: 1 }], [{ base64: "%%" }], [1], ["a", "b"], "1970-01-01", "0".repeat(16)],
];

function aFrame({ random, format, files }: Spoiling): FrameBytes | undefined {
  const frames = framesOf(files, format);
  return frames.length === 0 ? undefined : oneOf(random, frames);
}

/** A range of a file, mostly short and mostly where there is something. */
function aRange({ random, files }: Spoiling): FrameBytes {
  const path = oneOf(random, logPaths(files));
  const bytes = files.get(path)!;
  const end = random() < 0.9 ? contentEnd(bytes) : bytes.length;
  const from = below(random, end);
  return { path, from, to: Math.min(bytes.length, from + below(random, random() < 0.7 ? 40 : 5_000)) };
}

const flip: Mutation = (spoiling) => {
  const { path, from } = aRange(spoiling);
  const bytes = spoiling.files.get(path)!.slice();
  const count = 1 + below(spoiling.random, 8);
  for (let at = from; at < Math.min(from + count, bytes.length); at++) bytes[at]! ^= 1 + below(spoiling.random, 255);
  spoiling.files.set(path, bytes);
  return `flip ${count} at ${path} ${from}`;
};

const insert: Mutation = (spoiling) => {
  const { path, from, to } = aRange(spoiling);
  const zero = spoiling.random() < 0.3;
  const put = Uint8Array.from({ length: to - from }, () => (zero ? 0 : below(spoiling.random, 256)));
  spoiling.files.set(path, spliced(spoiling.files.get(path)!, from, from, put));
  return `insert ${put.length} at ${path} ${from}`;
};

const remove: Mutation = (spoiling) => {
  const { path, from, to } = (spoiling.random() < 0.5 ? aFrame(spoiling) : undefined) ?? aRange(spoiling);
  spoiling.files.set(path, spliced(spoiling.files.get(path)!, from, to, new Uint8Array(0)));
  return `delete ${path} ${from}..${to}`;
};

const cut: Mutation = (spoiling) => {
  const { path, from } = (spoiling.random() < 0.3 ? aFrame(spoiling) : undefined) ?? aRange(spoiling);
  spoiling.files.set(path, spoiling.files.get(path)!.slice(0, from));
  return `cut ${path} at ${from}`;
};

/** A frame, or any range, again somewhere else: over what is there or in between. */
const duplicate: Mutation = (spoiling) => {
  const from = (spoiling.random() < 0.6 ? aFrame(spoiling) : undefined) ?? aRange(spoiling);
  const to = aFrame(spoiling) ?? aRange(spoiling);
  const put = spoiling.files.get(from.path)!.slice(from.from, from.to);
  const end = spoiling.random() < 0.5 ? to.from : to.from + put.length;
  spoiling.files.set(to.path, spliced(spoiling.files.get(to.path)!, to.from, end, put));
  return `copy ${from.path} ${from.from}..${from.to} to ${to.path} ${to.from}..${end}`;
};

const spliceOther: Mutation = (spoiling) => {
  const { path, from, to } = aFrame(spoiling) ?? aRange(spoiling);
  const other = oneOf(spoiling.random, logPaths(spoiling.others));
  const put = spoiling.others.get(spoiling.others.has(path) ? path : other)!.slice(from, to);
  spoiling.files.set(path, spliced(spoiling.files.get(path)!, from, to, put));
  return `splice another log's ${from}..${to} into ${path}`;
};

const moveFile: Mutation = (spoiling) => {
  const path = oneOf(spoiling.random, logPaths(spoiling.files));
  const number = oneOf(spoiling.random, [
    "00000000",
    "00000001",
    "00000002",
    "00000004",
    "00000009",
    "99999999",
    "99999999999",
  ]);
  const target = `${folder}/${number}${spoiling.format === "json" ? ".jsonl" : ".wal"}`;
  const bytes = spoiling.files.get(path)!;
  if (spoiling.random() < 0.5) spoiling.files.delete(path);
  spoiling.files.set(target, bytes);
  return `move or copy ${path} to ${target}`;
};

const dropFile: Mutation = ({ random, files }) => {
  const paths = logPaths(files);
  const path = oneOf(random, paths);
  if (paths.length === 1 || random() < 0.3) files.set(path, new Uint8Array(0));
  else files.delete(path);
  return `empty or drop ${path}`;
};

const forgeField: Mutation = (spoiling) => {
  const frame = aFrame(spoiling);
  if (frame === undefined) return "nothing left to forge";
  return (spoiling.format === "json" ? forgeLine : forgeHeader)(spoiling, frame);
};

function forgeHeader({ random, files }: Spoiling, { path, from, to }: FrameBytes): string {
  const frame = files.get(path)!.slice(from, to);
  if (frame.length < headerBytes) return "a frame too short to forge";
  const view = new DataView(frame.buffer);
  // Of a FILE frame, the facts in its payload too.
  const inPayload = view.getUint32(56, true) === 5 && random() < 0.6 && frame.length >= headerBytes + 48;
  const [at, size, name] = inPayload ? [headerBytes + 8 * below(random, 6), 8, "fact"] : oneOf(random, fields);
  if (size === 8) view.setBigUint64(at, badNumber(random, view.getBigUint64(at, true)), true);
  else view.setUint32(at, Number(BigInt.asUintN(32, badNumber(random, BigInt(view.getUint32(at, true))))), true);
  const value = size === 8 ? view.getBigUint64(at, true) : view.getUint32(at, true);
  resealBinary(frame);
  files.set(path, spliced(files.get(path)!, from, to, frame));
  return `forge ${name} at ${at} of ${path} ${from} as ${value}`;
}

function forgeLine({ random, files }: Spoiling, { path, from, to }: FrameBytes): string {
  const text = new TextDecoder().decode(files.get(path)!.subarray(from, to));
  const field = oneOf(random, jsonFields);
  let line: string;
  try {
    const value = JSON.parse(text) as Record<string, unknown>;
    const old = value[field];
    const beside = typeof old === "number" ? Number(badNumber(random, BigInt(Math.trunc(old)))) : undefined;
    value[field] = beside !== undefined && random() < 0.6 ? beside : oneOf(random, badValues);
    if (random() < 0.1) delete value[field];
    line = resealLine(JSON.stringify(value));
  } catch {
    line = resealLine(text);
  }
  files.set(path, spliced(files.get(path)!, from, to, new TextEncoder().encode(line)));
  return `forge ${field} of ${path} ${from}: ${line.slice(0, 400)}`;
}

const mutations: readonly { readonly apply: Mutation; readonly weight: number; readonly forges?: boolean }[] = [
  { apply: flip, weight: 3 },
  { apply: insert, weight: 1 },
  { apply: remove, weight: 1 },
  { apply: cut, weight: 1 },
  { apply: duplicate, weight: 2 },
  { apply: spliceOther, weight: 1 },
  { apply: moveFile, weight: 1 },
  { apply: dropFile, weight: 1 },
  { apply: forgeField, weight: 6, forges: true },
];
const weighted = mutations.flatMap((mutation) => Array.from({ length: mutation.weight }, () => mutation));

/** One to four mutations, the first ones the most likely to be alone. */
export function mutate(log: Files, others: Files, format: Format, random: () => number): Mutated {
  const files = new Map(log);
  const done: string[] = [];
  let forged = false;
  do {
    const { apply, forges } = oneOf(random, weighted);
    done.push(apply({ random, format, files, others }));
    forged ||= forges === true;
  } while (done.length < 4 && random() < 0.4 && logPaths(files).some((path) => contentEnd(files.get(path)!) > 0));
  return { files, done, forged };
}
