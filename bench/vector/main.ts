/**
 * The vector index beside hnswlib and usearch, which are C++: recall, queries a second at equal recall, time to build,
 * bytes a vector. One thread, one process, contenders in turns, in an order that turns round each time. Seconds are of
 * processor time.
 *
 *   node bench/vector/main.ts [--quick] [--large] [--only 128] [--rounds 9] [--keep FOLDER]
 *
 * 50 vectors around each of many Gaussian centres: 50,000 × 128 and 50,000 × 384; with --large 200,000 × 128 too, with
 * --quick 5,000 of each. --keep leaves the built indexes in that folder and takes what is there already. A ratio below
 * 1.0 says LOST; a floor that is missed says MISSED, and the exit code stays 0.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { installPeers } from "../install.ts";
import { table } from "../table.ts";
import { bytesIn, type Contender, contenders, type Search } from "./contenders.ts";
import { type DataSet, dataSet } from "./data.ts";
import { median, type Point, ratioAt, speedsAt } from "./report.ts";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    large: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "9" },
    keep: { type: "string" },
  },
});
const rounds = flags.quick ? 3 : Number(flags.rounds);
const count = flags.quick ? 5_000 : 50_000;
const queryCount = flags.quick ? 200 : 500;
const k = 10;
const widths = [12, 16, 24, 32, 48, 64, 96, 128, 200];
const recalls = [0.95, 0.98, 0.99, 0.995];
const floor = { recall: 0.99, ratio: 1 };

const say = (text = ""): void => void process.stdout.write(`${text}\n`);

/** What this process has had of the processor: what else runs meanwhile does not count. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

interface Built {
  readonly contender: Contender;
  readonly file: string;
  readonly seconds: number;
}

/** Builds what is not there, and notes beside it how long that took. */
function build(folder: string, data: DataSet, contender: Contender): Built {
  const name = `${contender.name} ${data.name}`.replaceAll(/[^a-z0-9]+/g, "-");
  const [file, note] = [join(folder, name), join(folder, `${name}.seconds`)];
  if (!existsSync(note)) {
    const startMs = processorMs();
    contender.build(data, file);
    writeFileSync(note, String((processorMs() - startMs) / 1_000));
  }
  return { contender, file: name, seconds: Number(readFileSync(note, "utf8")) };
}

function recallOf(search: Search, { truth }: DataSet): number {
  let hits = 0;
  for (const [query, known] of truth.entries()) {
    const found = search(query);
    for (let place = 0; place < k; place++) if (known.has(Number(found[place]))) hits++;
  }
  return hits / (k * truth.length);
}

function turn(search: Search, queries: number): number {
  const startMs = processorMs();
  for (let query = 0; query < queries; query++) search(query);
  return (queries * 1_000) / (processorMs() - startMs);
}

function measure(folder: string, data: DataSet, built: readonly Built[]): Point[][] {
  const opened = built.map(({ contender, file }) => contender.open(data, join(folder, file), k));
  const points: Point[][] = built.map(() => []);
  for (const ef of widths) {
    const searches = opened.map((open) => open(ef));
    // Also the warm-up: every contender has answered all queries before one is timed.
    const found = searches.map((search) => recallOf(search, data));
    const speeds: number[][] = built.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (let place = 0; place < built.length; place++) {
        const who = (place + round) % built.length;
        speeds[who]!.push(turn(searches[who]!, data.queries.length));
      }
    }
    for (const [who, list] of points.entries()) list.push({ ef, recall: found[who]!, speeds: speeds[who]! });
  }
  return points;
}

function report(folder: string, data: DataSet, built: readonly Built[], points: readonly Point[][]): void {
  say(`\n${data.name}\n`);
  const shape = built.map(({ contender, seconds, file }) => {
    return [contender.name, seconds.toFixed(1), String(Math.round(bytesIn(folder, file) / data.vectors.length))];
  });
  for (const line of table(["", "build, s", "bytes a vector"], shape)) say(line);
  const names = built.map(({ contender }) => contender.name);
  const curves = widths.map((ef, place) => [
    `ef ${ef}`,
    ...points.map((list) => `${list[place]!.recall.toFixed(4)} ${Math.round(median(list[place]!.speeds))}`),
  ]);
  say("\nrecall@10 and queries a second");
  for (const line of table(["", ...names], curves)) say(line);
  const atRecall = recalls.map((recall) => [
    `recall ${recall}`,
    ...points.map((list) => speedsAt(list, recall)?.toFixed(0) ?? "not reached"),
  ]);
  say("\nqueries a second at equal recall");
  for (const line of table(["", ...names], atRecall)) say(line);
  for (const [who, { contender }] of built.entries()) {
    if (contender.kind !== "holdfast") continue;
    say(`\n${contender.name}: times as fast at equal recall`);
    const peers = [...built.entries()].filter(([, peer]) => peer.contender.kind !== "holdfast");
    const rows = recalls.map((recall) => [
      `recall ${recall}`,
      ...peers.map(([place]) => {
        const ratio = ratioAt(points[who]!, points[place]!, recall);
        return ratio === undefined ? "-" : `${ratio.toFixed(2)}${ratio < 1 ? " LOST" : ""}`;
      }),
    ]);
    for (const line of table(["", ...peers.map(([, peer]) => peer.contender.name)], rows)) say(line);
    for (const [place, peer] of peers) {
      if (peer.contender.kind !== "f32" || contender.name !== "holdfast f32") continue;
      const ratio = ratioAt(points[who]!, points[place]!, floor.recall) ?? 0;
      const verdict = ratio >= floor.ratio ? "met" : "MISSED";
      say(
        `floor at recall ${floor.recall}: ${floor.ratio} times ${peer.contender.name}: ${ratio.toFixed(2)} ${verdict}`,
      );
    }
  }
}

installPeers(["hnswlib-node", "usearch"]);
const folder = flags.keep ?? mkdtempSync(join(tmpdir(), "holdfast-vectors-"));
mkdirSync(folder, { recursive: true });
try {
  const { found, missing } = contenders();
  for (const line of missing) say(line);
  const sizes: [number, number][] = [
    [count, 128],
    [count, 384],
    ...(flags.large ? [[200_000, 128] as [number, number]] : []),
  ];
  for (const [size, dimension] of sizes) {
    if (!`${size} ${dimension}`.includes(flags.only)) continue;
    const data = dataSet(size, dimension, queryCount, k);
    const built = found.map((contender) => build(folder, data, contender));
    report(folder, data, built, measure(folder, data, built));
  }
} finally {
  if (flags.keep === undefined) rmSync(folder, { recursive: true });
}
