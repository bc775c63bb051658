/**
 * node test/real-disk/store-kill-long.ts [--kills 300] [--seed 1]
 *
 * Kills writers of a store at seeded instants, one after the other, and prints what each had written. Ends with 1 where
 * something that was acknowledged is missing, or something is there that was not written.
 */
import { parseArgs } from "node:util";
import { killStoreWriters } from "./store-kill-trial.ts";

const { values: flags } = parseArgs({
  options: { kills: { type: "string", default: "300" }, seed: { type: "string", default: "1" } },
});

console.log(`seed ${flags.seed}\n\n run  acknowledged  segments  while opening`);
const { lives, complaints } = await killStoreWriters({
  kills: Number(flags.kills),
  seed: Number(flags.seed),
  onLife: ({ run, acknowledged, segments, opened }) =>
    console.log(
      [
        String(run).padStart(4),
        String(acknowledged).padStart(12),
        String(segments).padStart(8),
        (opened ? "" : "yes").padStart(13),
      ].join("  "),
    ),
});
const acknowledged = lives.reduce((sum, life) => sum + life.acknowledged, 0);
const opening = lives.filter(({ opened }) => !opened).length;
console.log(
  `\n${lives.length - 1} kills, ${opening} of them while the store was opened: ${acknowledged} acknowledged writes, ` +
    `${complaints.length} complaints`,
);
for (const complaint of complaints) console.log(`  ${complaint}`);
process.exitCode = complaints.length === 0 ? 0 : 1;
