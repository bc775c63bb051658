/** Checkpoints under `kill -9`. `node test/real-disk/checkpoint-kill-long.ts` does this more often. */
import { expect, it } from "vitest";
import { killCheckpointers } from "./checkpoint-kill-trial.ts";

const kills = 5;

it("R10: checkpoints of killed writers are the last acknowledged or a newer whole one", async () => {
  const { lives, complaints } = await killCheckpointers({ kills, seed: 3 });
  expect(complaints).toEqual([]);
  expect(lives.length).toBe(kills + 1);
  expect(lives.filter(({ saved }) => saved > 0).length).toBeGreaterThan(1);
}, 120_000);
