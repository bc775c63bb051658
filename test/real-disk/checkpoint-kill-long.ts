/**
 * node test/real-disk/checkpoint-kill-long.ts [--kills 100] [--seed 1]
 *
 * Kills writers of checkpoints at seeded instants, one after the other, and prints what each had saved. Ends with 1
 * where what comes back is older than what was acknowledged, or was never saved.
 */
import { parseArgs } from "node:util";
import { killCheckpointers } from "./checkpoint-kill-trial.ts";

const { values: flags } = parseArgs({
  options: { kills: { type: "string", default: "100" }, seed: { type: "string", default: "1" } },
});

console.log(`seed ${flags.seed}\n\n run  saved  while opening`);
const { lives, complaints } = await killCheckpointers({
  kills: Number(flags.kills),
  seed: Number(flags.seed),
  onLife: ({ run, saved, opened }) =>
    console.log([String(run).padStart(4), String(saved).padStart(5), (opened ? "" : "yes").padStart(13)].join("  ")),
});
const saved = lives.reduce((sum, life) => sum + life.saved, 0);
const opening = lives.filter(({ opened }) => !opened).length;
console.log(
  `\n${lives.length - 1} kills, ${opening} of them while the folder was opened: ${saved} acknowledged checkpoints, ` +
    `${complaints.length} complaints`,
);
for (const complaint of complaints) console.log(`  ${complaint}`);
process.exitCode = complaints.length === 0 ? 0 : 1;
