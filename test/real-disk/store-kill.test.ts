/** A store under `kill -9`. `node test/real-disk/store-kill-long.ts` does this more often. */
import { expect, it } from "vitest";
import { killStoreWriters } from "./store-kill-trial.ts";

const kills = 24;

it("S8: a store that is killed while it writes, flushes, merges and opens has all it acknowledged", async () => {
  const { lives, complaints } = await killStoreWriters({ kills, seed: 5 });
  expect(complaints).toEqual([]);
  expect(lives.length).toBe(kills + 1);
  expect(lives.filter(({ acknowledged }) => acknowledged > 0).length).toBeGreaterThan(kills / 4);
  expect(lives.some(({ segments }) => segments > 1)).toBe(true);
}, 240_000);
