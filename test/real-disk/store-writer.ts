/**
 * The process that is killed: writes to a store from a few sides at once, each with items of its own, while segments
 * are flushed, merged and contents compacted all the time. It says on standard output, each line written before
 * anything else happens:
 *
 *     opening                    about to open the store
 *     opened                     it is open
 *     try w0 k3 VALUE            this side is about to write this; "-" for a deletion
 *     try w0 b0,b1,b2 VALUE      these at once
 *     acked w0                   what it tried last is durable
 *
 *     node test/real-disk/store-writer.ts '{"folder": …, "run": 1}'
 */
import { writeSync } from "node:fs";
import { HoldfastError, seededRandom } from "../../src/base/index.ts";
import { openStore } from "../../src/store/engine/open-store.ts";
import type { Change } from "../../src/store/item/item.ts";
import type { Store } from "../../src/store/store.ts";

export interface StoreWriterOrder {
  readonly folder: string;
  readonly run: number;
  /** Of each side, after which the store is closed; otherwise until the end of the process. */
  readonly writes?: number;
}

const { folder, run, writes = Number.POSITIVE_INFINITY } = JSON.parse(process.argv[2]!) as StoreWriterOrder;
const sides = ["w0", "w1", "w2", "w3"];
const itemsOfSide = 40;
const batchSize = 5;
let over = false;

/** At once and blocking: what was printed happened before the kill, and nothing waits in a buffer. */
const say = (line: string): void => void writeSync(1, `${line}\n`);

/** Mostly inline; sometimes long enough for the content log, sometimes too long for the log. */
function contentOf(value: string, random: () => number): { readonly value: string; readonly filling: string } {
  const kind = random();
  return { value, filling: "x".repeat(kind < 0.7 ? 20 : kind < 0.99 ? 600 : 300_000) };
}

async function write(store: Store, side: string, random: () => number): Promise<void> {
  for (let count = 0; count < writes; count++) {
    const value = `${run}.${count}`;
    const isBatch = random() < 0.2;
    const ids = isBatch
      ? Array.from({ length: batchSize }, (_, place) => `${side}/b${place}`)
      : [`${side}/k${Math.floor(random() * itemsOfSide)}`];
    const isDelete = random() < 0.2;
    say(`try ${side} ${ids.join(",")} ${isDelete ? "-" : value}`);
    const changes = ids.map((id): Change => {
      const item = { collection: "notes", id } as const;
      return isDelete ? { ...item, op: "delete" } : { ...item, op: "put", content: contentOf(value, random) };
    });
    const { durability } = await store.write(changes);
    if (durability !== "durable") throw new Error(`a write is ${durability}`);
    say(`acked ${side}`);
  }
}

async function tidy(store: Store, random: () => number): Promise<void> {
  while (!over) {
    await new Promise((resolve) => setTimeout(resolve, random() * 15));
    const kind = random();
    try {
      if (kind < 0.4) await store.flush();
      else if (kind < 0.7) await store.compact();
      else await store.compactContent({ minimumGarbage: 0.1 });
    } catch (error) {
      if (!HoldfastError.is(error) || error.code !== "STORE_COMPACTION_RUNNING") throw error;
    }
  }
}

say("opening");
const store = await openStore({ folder, memtableEntries: 60, contentFromBytes: 256, maintenanceMs: 50 });
await store.collection("notes");
say("opened");
const random = (seed: number): (() => number) => seededRandom(run * 100 + seed);
const tidying = tidy(store, random(99));
await Promise.all(sides.map((side, place) => write(store, side, random(place))));
over = true;
await tidying;
await store.close();
