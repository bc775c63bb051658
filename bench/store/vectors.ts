/**
 * Near vectors at equal recall, without filters and with filters that keep half, a hundredth and a ten-thousandth.
 *
 * Every contender searches with several widths; between two of them the logarithm of its speed is taken as straight,
 * and what is compared is the speed at a recall of 0.99. Seconds are of processor time, all threads of the process. The
 * store's searches go through `collection.search`: a promise, ids as text, versions, and the check that the item still
 * is; the libraries give numbers at once.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type DataSet, dataSet } from "../vector/data.ts";
import { median, type Point, speedsAt } from "../vector/report.ts";
import type { Line } from "./report.ts";
import { inTurns } from "./rounds.ts";
import { report, type Session } from "./session.ts";
import {
  k,
  type OpenVectors,
  type Search,
  slotOf,
  slots,
  type VectorContender,
  vectorContenders,
} from "./vector-contenders.ts";

const dimension = 128;
const queryCount = 500;
/** With a filter some take a hundred times as long. */
const filteredQueries = 100;
/** Of one that compares all: its recall is 1 and its times are alike. */
const exactQueries = 20;
const recall = 0.99;
const widths = [12, 16, 24, 32, 48, 64, 96, 128, 200];
const filteredWidths = [16, 32, 64, 128, 256, 512];
const selectivities = [0.5, 0.01, 0.0001];

interface Open {
  readonly contender: VectorContender;
  readonly vectors: OpenVectors;
}

export async function measureVectors(session: Session): Promise<void> {
  const { found, missing } = vectorContenders();
  for (const line of missing) session.say(line);
  const contenders = found.filter(({ name }) => !session.without.some((one) => name.startsWith(one)));
  const data = dataSet(Math.ceil(session.count / 4), dimension, queryCount, k);
  const folder = join(session.folder, "vectors");
  const open: Open[] = [];
  try {
    const seconds: number[] = [];
    for (const [place, contender] of contenders.entries()) {
      const own = join(folder, String(place));
      mkdirSync(own, { recursive: true });
      const startMs = processorMs();
      await contender.build(data, own);
      seconds.push((processorMs() - startMs) / 1_000);
      open.push({ contender, vectors: await contender.open(data, own) });
    }
    report(session, {
      title: `vectors ${data.name}: loading and building`,
      unit: "s",
      better: "less",
      // Comparing all needs nothing built.
      lines: contenders.map(({ name, isOwn, isExact }, place) => {
        return { name, isOwn, isAside: isExact === true, values: [seconds[place]!] };
      }),
    });
    await measureSearches(session, open, "no filter", data.truth, widths, ({ vectors }, ef) => vectors.search(ef));
    for (const share of selectivities) {
      const below = share * slots;
      const truth = truthBelow(data, below);
      if (truth.every(({ size }) => size === 0)) continue;
      const able = open.filter(({ vectors }) => vectors.filtered !== undefined);
      const title = `filter that keeps ${100 * share} %`;
      await measureSearches(session, able, title, truth, filteredWidths, ({ vectors }, ef) =>
        vectors.filtered!(ef, below),
      );
    }
  } finally {
    for (const { vectors } of open) await vectors.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureSearches(
  session: Session,
  open: readonly Open[],
  what: string,
  truth: readonly ReadonlySet<number>[],
  efs: readonly number[],
  searchOf: (one: Open, ef: number) => Search,
): Promise<void> {
  const points: Point[][] = open.map(() => []);
  for (const [step, ef] of efs.entries()) {
    // Who has come that far needs no wider search, and who compares all has only one.
    const taking = [...open.keys()].filter((place) => {
      const isWider = points[place]!.every((point) => point.recall < recall);
      return isWider && (open[place]!.contender.isExact !== true || step === 0);
    });
    if (taking.length === 0) break;
    const queriesOf = (place: number): number =>
      open[place]!.contender.isExact === true ? exactQueries : Math.min(queryCount, truth.length);
    const searches = taking.map((place) => searchOf(open[place]!, ef));
    const recalls: number[] = [];
    // Also the warm-up.
    for (const [at, search] of searches.entries()) recalls.push(await recallOf(search, truth, queriesOf(taking[at]!)));
    const speeds = await inTurns(
      searches.map((search, at) => () => speedOf(search, queriesOf(taking[at]!))),
      session.rounds,
    );
    for (const [at, place] of taking.entries()) points[place]!.push({ ef, recall: recalls[at]!, speeds: speeds[at]! });
  }
  const title = `search, k ${k}, ${what}, at recall ${recall}`;
  const reached: Line[] = [];
  for (const [place, { contender }] of open.entries()) {
    const list = points[place]!;
    const best = Math.max(...list.map((point) => point.recall));
    session.keep("curves", { title, name: contender.name, points: list });
    if (speedsAt(list, recall) === undefined)
      session.say(`${title}: ${contender.name} comes to ${best.toFixed(4)} only`);
    else reached.push({ name: contender.name, isOwn: contender.isOwn, values: speedsByRound(list) });
  }
  if (reached.length > 0) report(session, { title, unit: "queries/s", better: "more", lines: reached });
}

/** Of each round by itself, so that ratios are of rounds. */
function speedsByRound(points: readonly Point[]): number[] {
  return points[0]!.speeds.map((_, round) => {
    const one = points.map(({ ef, recall, speeds }) => ({ ef, recall, speeds: [speeds[round]!] }));
    return speedsAt(one, recall) ?? median(points.at(-1)!.speeds);
  });
}

async function recallOf(search: Search, truth: readonly ReadonlySet<number>[], queries: number): Promise<number> {
  let [hits, wanted] = [0, 0];
  for (let query = 0; query < queries; query++) {
    const running = search.run(query);
    if (running instanceof Promise) await running;
    for (const id of new Set(search.found())) if (truth[query]!.has(id)) hits++;
    wanted += truth[query]!.size;
  }
  return hits / wanted;
}

async function speedOf(search: Search, queries: number): Promise<number> {
  const startMs = processorMs();
  for (let query = 0; query < queries; query++) {
    const running = search.run(query);
    if (running instanceof Promise) await running;
  }
  return (1_000 * queries) / (processorMs() - startMs);
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** By comparing all that are kept. */
function truthBelow({ vectors, queries }: DataSet, belowSlot: number): ReadonlySet<number>[] {
  const kept = [...vectors.keys()].filter((id) => slotOf(id) < belowSlot);
  return queries.slice(0, filteredQueries).map((query) => {
    const nearest: { readonly id: number; readonly distance: number }[] = [];
    for (const id of kept) {
      const distance = squaredDistance(vectors[id]!, query);
      if (nearest.length === k && distance >= nearest.at(-1)!.distance) continue;
      const place = nearest.findIndex((one) => one.distance > distance);
      nearest.splice(place === -1 ? nearest.length : place, 0, { id, distance });
      if (nearest.length > k) nearest.pop();
    }
    return new Set(nearest.map(({ id }) => id));
  });
}

function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let place = 0; place < a.length; place++) {
    const difference = a[place]! - b[place]!;
    sum += difference * difference;
  }
  return sum;
}
