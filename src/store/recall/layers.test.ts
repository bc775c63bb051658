import { describe, expect, it } from "vitest";
import { type Random, seededRandom } from "../../base/index.ts";
import { clustered } from "../vector/testing/vectors.ts";
import { SearchFilters } from "./filter.ts";
import { LayeredRows, type Pinned, type Question, recallOf } from "./testing/layered-rows.ts";

const filters = new SearchFilters();
const ids = [
  ...Array.from({ length: 40 }, (_, place) => `id ${place}`),
  ...["\ufeffmark", "mark", "é", "😀", "\uffee", "z".repeat(300), "a", "ab", "abc"],
];

/** Small whole numbers: distances are exact, and many are the same. */
function gridVector(random: Random): Float32Array {
  return Float32Array.from({ length: 3 }, () => Math.floor(random() * 5) - 2);
}

/** `joins`: may be of one commit with the write before. */
function randomWrite(rows: LayeredRows, random: Random, mayJoin = false): void {
  const id = ids[Math.floor(random() * ids.length)]!;
  const kind = random();
  const joins = mayJoin && random() < 0.3;
  const metadata = random() < 0.2 ? undefined : { size: Math.floor(random() * 10), half: random() < 0.5 };
  const expiryMs = random() < 0.2 ? 1 + Math.floor(random() * 100) : 0;
  if (kind < 0.2) rows.write(id, undefined, undefined, 0, joins);
  else rows.write(id, kind < 0.3 ? undefined : gridVector(random), metadata, expiryMs, joins);
}

function question(random: Random): Question {
  const rule = ["half", "size == 3", "size < 9 && half == false", "missing > 1 || half"][Math.floor(random() * 8)];
  return {
    query: gridVector(random),
    k: 1 + Math.floor(random() * 12),
    nowMs: Math.floor(random() * 120),
    ...(rule !== undefined && { filter: filters.of(rule) }),
  };
}

async function expectRight(rows: LayeredRows, pinned: Pinned, random: Random, sequence: number): Promise<void> {
  const asked = question(random);
  const { hits, exact } = await rows.search({ ...pinned, sequence }, asked);
  expect(hits).toEqual(rows.nearest(sequence, asked));
  expect(exact).toBe(true);
  for (const layer of pinned.layers) expect(layer.memoryBytes).toBeGreaterThan(0);
  const id = ids[Math.floor(random() * ids.length)]!;
  const found = pinned.layers.map((layer) => layer.embeddingOf(id, sequence)).filter((one) => one !== undefined);
  expect(found).toEqual(
    rows
      .seen(sequence)
      .filter((row) => row.id === id)
      .map((row) => row.embedding),
  );
}

describe("the embeddings of all layers", () => {
  it("S3: answer as a plain list does, at every sequence number, while layers are flushed and merged", async () => {
    for (let seed = 1; seed <= 16; seed++) {
      const random = seededRandom(seed);
      const rows = new LayeredRows({ dimension: 3, metric: "l2" });
      const snapshots: Pinned[] = [];
      /** From this one on the layers of now answer. */
      let oldest = 0;
      for (let turn = 0; turn < 200; turn++) {
        const what = random();
        if (what < 0.85) {
          randomWrite(rows, random);
          if (random() < 0.3) randomWrite(rows, random, true);
        } else if (what < 0.9) snapshots.push(rows.pin());
        else if (what < 0.95) await rows.flush();
        else if (what < 0.98 && rows.segments > 1) {
          const from = Math.floor(random() * (rows.segments - 1));
          await rows.compact(from, from + 2, () => randomWrite(rows, random));
          oldest = rows.sequence;
        } else if (what >= 0.99) {
          await rows.reopen();
        }
        const sequence = oldest + Math.floor(random() * (rows.sequence - oldest + 1));
        await expectRight(rows, rows.pin(), random, sequence);
        const snapshot = snapshots[Math.floor(random() * snapshots.length)];
        if (snapshot !== undefined) await expectRight(rows, snapshot, random, snapshot.sequence);
      }
    }
  });

  it.each(["none", "int8"] as const)(
    "S3: through graphs, quantised %s, find what any filter lets through, and as many as match",
    async (quantisation) => {
      const dimension = 16;
      const rows = new LayeredRows({ dimension, metric: "cosine", quantisation }, 200);
      const vectors = clustered(6_000, dimension, 3, 30);
      const idOf = (place: number): string => `id ${place}`;
      const write = (place: number, version = 0): void => {
        const vector = vectors[(place + version * 1_117) % 5_900]!;
        rows.write(idOf(place), vector, {
          place,
          half: place % 2 === 0,
          rare: place % 100 === 7,
          one: place === 4_007,
        });
      };
      for (let place = 0; place < 4_500; place++) write(place);
      await rows.flush();
      for (let place = 0; place < 900; place++) write(place, 1);
      for (let place = 900; place < 1_200; place++) rows.write(idOf(place));
      await rows.flush();
      for (let place = 1_200; place < 1_260; place++) write(place, 2);
      for (const rule of [undefined, "half", "!half", "rare", "one", "place < 0", "place >= 800 && place < 1210"]) {
        const filter = rule === undefined ? {} : { filter: filters.of(rule) };
        const questions = vectors.slice(5_950).map((query) => ({ query, k: 10, ...filter }));
        expect(await recallOf(rows, questions), rule).toBeGreaterThan(0.97);
      }
    },
  );

  it("S3: give k where nearly all rows near the query are hidden, expired or filtered", async () => {
    const rows = new LayeredRows({ dimension: 8, metric: "l2" }, 100);
    const vectors = clustered(3_000, 8, 5, 3);
    for (const [place, vector] of vectors.entries())
      rows.write(`id ${place}`, vector, { place }, place % 7 === 0 ? 5 : 0);
    await rows.flush();
    const query = vectors[0]!;
    const near = rows.nearest(rows.sequence, { query, k: 2_900 });
    for (const { id } of near) rows.write(id);
    const asked = { query, k: 50, nowMs: 6, filter: filters.of("place >= 5") };
    const { hits } = await rows.search(rows.pin(), asked);
    expect(hits.map(({ id }) => id)).toEqual(rows.nearest(rows.sequence, asked).map(({ id }) => id));
    expect(hits.length).toBeGreaterThan(49);
  });
});
