/** The main job under `kill -9`. `node test/e2e/kill-long.ts` does this at more instants and prints what each met. */

import { describe, expect, it } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { realModel } from "./command-line.ts";
import { compileUndisturbed, complaintsOf, killAt } from "./kill-trial.ts";

const kills = 6;
const seed = 20;

describe("a compilation that is killed", () => {
  const model = realModel("light_resnet50");
  it.skipIf(!model)(
    `F3: goes on where it was, compiles no unit twice and ends with the same bytes${model ? "" : " (no model folder here)"}`,
    async () => {
      const random = seededRandom(seed);
      const undisturbed = await compileUndisturbed(model!);
      expect(undisturbed.units).toBeGreaterThan(10);
      let landed = 0;
      for (let kill = 0; kill < kills || landed === 0; kill++) {
        expect(kill, "instants drawn without a kill that landed").toBeLessThan(3 * kills);
        const instantMs = random() * undisturbed.elapsedMs;
        const trial = await killAt(model!, instantMs, undisturbed);
        if (trial.killed) landed++;
        expect(complaintsOf(trial, undisturbed), `killed after ${instantMs.toFixed(0)} ms`).toEqual([]);
      }
    },
    180_000,
  );
});
