/**
 * node test/e2e/kill-long.ts [--kills 50] [--seed 1] [--model FILE.onnx]
 *
 * Kills a compilation at seeded instants spread over its whole length, starts it again each time, and prints what each
 * kill met. Ends with 1 where anything was lost, done twice or different.
 */

import { parseArgs } from "node:util";
import { seededRandom } from "../../src/base/index.ts";
import { exampleModel, realModel } from "./command-line.ts";
import { compileUndisturbed, complaintsOf, killAt, type Trial } from "./kill-trial.ts";

const { values: flags } = parseArgs({
  options: {
    kills: { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
    model: { type: "string", default: realModel("light_resnet50") ?? exampleModel },
  },
});
const kills = Number(flags.kills);
const random = seededRandom(Number(flags.seed));

const undisturbed = await compileUndisturbed(flags.model);
console.log(`undisturbed: ${undisturbed.elapsedMs.toFixed(0)} ms, ${undisturbed.units} units, seed ${flags.seed}\n`);
console.log("kill  instant ms  units before  units after  compilations of one  bytes equal");

const trials: Trial[] = [];
const complaints: string[] = [];
let missed = 0;
while (trials.length < kills) {
  const trial = await killAt(flags.model, random() * undisturbed.elapsedMs, undisturbed);
  complaints.push(...complaintsOf(trial, undisturbed).map((text) => `at ${trial.instantMs.toFixed(0)} ms: ${text}`));
  // The process was faster than the undisturbed one and had ended: another instant is drawn.
  if (!trial.killed) {
    missed++;
    continue;
  }
  trials.push(trial);
  const columns = [trials.length, trial.instantMs.toFixed(0), trial.unitsBefore, trial.unitsAfter];
  const rest = [trial.mostCompilations, trial.differentFiles.length === 0 ? "yes" : "NO"];
  const widths = [4, 10, 12, 11, 19, 11];
  console.log([...columns, ...rest].map((cell, place) => String(cell).padStart(widths[place]!)).join("  "));
}

const amid = trials.filter(({ unitsBefore, unitsAfter }) => unitsBefore > 0 && unitsAfter > 0).length;
const unequal = trials.filter(({ differentFiles }) => differentFiles.length > 0).length;
const twice = trials.filter(({ mostCompilations }) => mostCompilations > 1).length;
console.log(
  `\n${trials.length} kills (${missed} more came after the end): ${trials.length - unequal} with equal bytes, ` +
    `${twice} with a unit compiled twice, ${amid} in the middle of the units, ${complaints.length} complaints`,
);
for (const complaint of complaints) console.log(`  ${complaint}`);
process.exitCode = complaints.length === 0 ? 0 : 1;
