/**
 * Writers of a store that are killed one after the other over one folder of a real disk. Half of the kills come while a
 * writer opens the store, so that recovery is killed too; the others while it writes, flushes, merges and compacts.
 * Between two lives the store is read from outside: each item is as it was acknowledged last, or as a write left it
 * that was under way; batches are there whole or not at all.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../src/base/index.ts";
import { openStore } from "../../src/store/engine/open-store.ts";
import type { StoreWriterOrder } from "./store-writer.ts";
import { writerLife } from "./writer-life.ts";

export interface StoreLife {
  readonly run: number;
  readonly acknowledged: number;
  /** Whether the store was open when the kill came. */
  readonly opened: boolean;
  readonly segments: number;
}

export interface StoreKillTrial {
  readonly lives: readonly StoreLife[];
  readonly complaints: readonly string[];
}

const writer = join(import.meta.dirname, "store-writer.ts");
const limits = { longestLifeMs: 500, longestOpeningMs: 60 };
const absent = "-";

/** What was promised, told by the writers' own lines. */
class Promised {
  readonly complaints: string[] = [];
  /** Of each item: a value, or `absent`. */
  readonly #kept = new Map<string, string>();
  readonly #underWay = new Map<string, { readonly ids: readonly string[]; readonly value: string }>();

  hear(line: string): void {
    const [what, side = "", ids = "", value = ""] = line.split(" ");
    if (what === "try") this.#underWay.set(side, { ids: ids.split(","), value });
    if (what !== "acked") return;
    const write = this.#underWay.get(side);
    for (const id of write?.ids ?? []) this.#kept.set(id, write!.value);
    this.#underWay.delete(side);
  }

  /** The state after a kill; from now on it is what has to stay. */
  found(items: ReadonlyMap<string, string>): void {
    const open = [...this.#underWay.values()];
    for (const id of new Set([...this.#kept.keys(), ...items.keys()])) {
      const [is, was] = [items.get(id) ?? absent, this.#kept.get(id) ?? absent];
      if (is === was || open.some(({ ids, value }) => ids.includes(id) && value === is)) continue;
      this.complaints.push(`${id} is ${is}, where ${was} was acknowledged`);
    }
    for (const { ids, value } of open) {
      const there = ids.filter((id) => (items.get(id) ?? absent) === value).length;
      const before = ids.filter((id) => (items.get(id) ?? absent) === (this.#kept.get(id) ?? absent)).length;
      if (there !== ids.length && before !== ids.length) this.complaints.push(`of ${ids.join()} a part is ${value}`);
    }
    this.#underWay.clear();
    for (const id of new Set([...this.#kept.keys(), ...items.keys()])) this.#kept.set(id, items.get(id) ?? absent);
  }
}

export async function killStoreWriters(options: {
  readonly kills: number;
  readonly seed: number;
  readonly onLife?: (life: StoreLife) => void;
}): Promise<StoreKillTrial> {
  const root = mkdtempSync(join(tmpdir(), "holdfast-kill-"));
  const folder = join(root, "store");
  const random = seededRandom(options.seed);
  const promised = new Promised();
  const lives: StoreLife[] = [];
  try {
    for (let run = 1; run <= options.kills + 1 && promised.complaints.length === 0; run++) {
      const isLast = run > options.kills;
      const order = { folder, run: options.seed * 100_000 + run, ...(isLast ? { writes: 30 } : {}) };
      const kill = { word: run > 1 && random() < 0.5 ? "opening" : "opened", share: random() };
      const lines = await writerLife<StoreWriterOrder>(writer, order, isLast ? undefined : kill, limits);
      for (const line of lines) promised.hear(line);
      const { items, segments } = await itemsOf(folder);
      promised.found(items);
      const acknowledged = lines.filter((line) => line.startsWith("acked ")).length;
      const life = { run, acknowledged, opened: lines.includes("opened"), segments };
      lives.push(life);
      options.onLife?.(life);
    }
    return { lives, complaints: promised.complaints };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Read without a change to the folder: the next writer recovers from what the kill left. */
async function itemsOf(folder: string): Promise<{ items: Map<string, string>; segments: number }> {
  const store = await openStore({ folder, readOnly: true });
  const items = new Map<string, string>();
  try {
    const notes = await store.collection("notes");
    for await (const { id, content } of notes.scan()) items.set(id, (content as { readonly value: string }).value);
    for (const [id, value] of items) {
      const content = (await notes.get(id))?.content as { readonly value: string } | undefined;
      if (content?.value !== value) throw new Error(`${id} is ${content?.value} alone, and ${value} in a scan`);
    }
    return { items, segments: store.statistics().segments.length };
  } finally {
    await store.close();
  }
}
