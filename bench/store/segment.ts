/**
 * One segment of the store beside classic-level and lmdb with the same items, in turns in one process.
 *
 *     node bench/store/segment.ts [--items 200000] [--rounds 5] [--seconds 0.6] [--only warm]
 *
 * All hold the items in one sorted run (classic-level after a compaction) with 256 MiB of cache. "Cold" is a store just
 * opened, its cache empty; the system's page cache stays warm for all alike. Rates are medians over the rounds; a ratio
 * below 1 is a loss.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Random, seededRandom, systemClock, utf8 } from "../../src/base/index.ts";
import { installPeers, versionOf } from "../install.ts";
import { table } from "../table.ts";
import { makeRecords } from "../wal/contender.ts";
import {
  type Contender,
  holdfast,
  holdfastWaiting,
  type Items,
  level,
  levelSync,
  lmdb,
  lmdbFast,
  type SortedStore,
} from "./segment-contenders.ts";

const { values: flags } = parseArgs({
  options: {
    items: { type: "string", default: "200000" },
    rounds: { type: "string", default: "5" },
    /** Of each contender, in each round of each row. */
    seconds: { type: "string", default: "0.6" },
    /** Rows whose title contains this. */
    only: { type: "string", default: "" },
  },
});
const count = Number(flags.items);
const rounds = Number(flags.rounds);
const turnMs = 1_000 * Number(flags.seconds);
const contenders: readonly Contender[] = [holdfast, holdfastWaiting, level, levelSync, lmdb, lmdbFast];
/** The first ones are ours; ratios are those of the very first. */
const ownCount = 2;
const say = (text: string): void => void process.stdout.write(`${text}\n`);

function itemsOf(random: Random): Items {
  const records = makeRecords(4_096, random);
  return {
    keys: Array.from({ length: count }, (_, place) => utf8(`item/${String(place).padStart(12, "0")}`)),
    values: Array.from({ length: count }, (_, place) => records[place % records.length]!),
  };
}

interface Row {
  readonly title: string;
  /** Operations, or items. */
  readonly unit: string;
  readonly work: (store: SortedStore, random: Random) => Promise<number>;
}

function rowsFor({ keys, values }: Items): readonly Row[] {
  const some = (random: Random, number: number): Uint8Array[] =>
    Array.from({ length: number }, () => keys[Math.floor(random() * count)]!);
  const absent = Array.from({ length: 1_000 }, (_, place) => utf8(`item/${String(place * 97).padStart(12, "0")}x`));
  const itemBytes = keys[0]!.length + values[0]!.length;
  const check = (bytes: number, wanted: number): void => {
    if (bytes !== wanted) throw new Error(`${bytes} bytes came back instead of ${wanted}`);
  };
  return [
    {
      title: "get, warm",
      unit: "gets",
      work: async (store, random) => {
        check(await store.get(some(random, 2_000)), 2_000 * values[0]!.length);
        return 2_000;
      },
    },
    {
      title: "get, absent",
      unit: "gets",
      work: async (store) => {
        check(await store.get(absent), 0);
        return absent.length;
      },
    },
    {
      title: "ranges of 100",
      unit: "items",
      work: async (store, random) => {
        const starts = Array.from({ length: 50 }, () => keys[Math.floor(random() * (count - 100))]!);
        check(await store.ranges(starts, 100), 5_000 * itemBytes);
        return 5_000;
      },
    },
    {
      title: "scan of all",
      unit: "items",
      work: async (store) => {
        check(await store.scan(), count * itemBytes);
        return count;
      },
    },
  ];
}

async function turn(row: Row, store: SortedStore, random: Random): Promise<number> {
  const start = systemClock.monotonicMs();
  let done = 0;
  do done += await row.work(store, random);
  while (systemClock.monotonicMs() - start < turnMs);
  return done / ((systemClock.monotonicMs() - start) / 1_000);
}

/** Everybody in every round, the order turning round each time. */
async function inTurns(measure: (place: number) => Promise<number>): Promise<number[][]> {
  const rates = contenders.map((): number[] => []);
  const places = [...contenders.keys()];
  for (let round = 0; round < rounds; round++)
    for (const place of round % 2 === 0 ? places : places.toReversed()) rates[place]!.push(await measure(place));
  return rates;
}

function reportOf(title: string, unit: string, rates: readonly (readonly number[])[]): string {
  const medians = rates.map((list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!);
  const own = medians[0]!;
  const best = Math.max(...medians.slice(ownCount));
  const lines = table(
    [title, `${unit}/s`, "holdfast is"],
    contenders.map(({ name }, place) => [
      `  ${name}`,
      Math.round(medians[place]!).toLocaleString("en"),
      place < ownCount ? "" : `${(own / medians[place]!).toFixed(2)} x`,
    ]),
  );
  return [...lines, `  against the best: ${(own / best).toFixed(2)}${own < best ? "  LOSS" : ""}`, ""].join("\n");
}

async function main(): Promise<void> {
  installPeers(["lmdb", "classic-level"]);
  const root = mkdtempSync(join(tmpdir(), "holdfast-bench-segment-"));
  try {
    const items = itemsOf(seededRandom(1));
    say(`${count} items of ${items.keys[0]!.length} + ${items.values[0]!.length} bytes, Node ${process.version}, `);
    say(`classic-level ${versionOf("classic-level")}, lmdb ${versionOf("lmdb")}, ${root}\n`);
    const folders = contenders.map((_, place) => join(root, String(place)));
    const building = await inTurns(async (place) => {
      rmSync(folders[place]!, { recursive: true, force: true });
      mkdirSync(folders[place]!);
      const start = systemClock.monotonicMs();
      await contenders[place]!.build(folders[place]!, items);
      return count / ((systemClock.monotonicMs() - start) / 1_000);
    });
    say(reportOf("build (holdfast's is durable, the others' is not)", "items", building));
    const random = seededRandom(2);
    const few = Array.from({ length: 5_000 }, () => items.keys[Math.floor(random() * count)]!);
    const cold = await inTurns(async (place) => {
      const store = await contenders[place]!.open(folders[place]!);
      const start = systemClock.monotonicMs();
      await store.get(few);
      const rate = few.length / ((systemClock.monotonicMs() - start) / 1_000);
      await store.close();
      return rate;
    });
    say(reportOf("get, cold", "gets", cold));
    const stores: SortedStore[] = [];
    for (const [place, contender] of contenders.entries()) stores.push(await contender.open(folders[place]!));
    for (const row of rowsFor(items).filter(({ title }) => title.includes(flags.only))) {
      // Everything that fits is in memory then, for all alike.
      for (const store of stores) await store.scan();
      for (const store of stores) await turn(row, store, random);
      say(reportOf(row.title, row.unit, await inTurns((place) => turn(row, stores[place]!, random))));
    }
    for (const store of stores) await store.close();
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

await main();
