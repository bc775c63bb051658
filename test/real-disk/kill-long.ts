/**
 * node test/real-disk/kill-long.ts [--kills 200] [--seed 1] [--format json] [--durability dsync]
 *
 * Kills writers of one log at seeded instants, one after the other, and prints what each left. Ends with 1 where
 * anything that was acknowledged is missing, changed, half there or there twice.
 */
import { parseArgs } from "node:util";
import { killAgainAndAgain } from "./kill-trial.ts";

const { values: flags } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    format: { type: "string", default: "binary" },
    durability: { type: "string", default: "fdatasync" },
  },
});

console.log(`seed ${flags.seed}, ${flags.format}, ${flags.durability}\n`);
console.log(" run  acknowledged  while opening  entries after");
const { lives, complaints } = await killAgainAndAgain({
  kills: Number(flags.kills),
  seed: Number(flags.seed),
  format: flags.format === "json" ? "json" : "binary",
  durability: flags.durability === "dsync" ? "dsync" : "fdatasync",
  onLife: ({ run, acknowledged, opened, entries }) => {
    const cells = [String(run).padStart(4), String(acknowledged).padStart(12)];
    console.log([...cells, (opened ? "" : "yes").padStart(13), String(entries).padStart(13)].join("  "));
  },
});

const acknowledged = lives.reduce((sum, life) => sum + life.acknowledged, 0);
const opening = lives.filter(({ opened }) => !opened).length;
console.log(
  `\n${lives.length - 1} kills, ${opening} of them while the log was opened: ${acknowledged} acknowledged writes, ` +
    `${complaints.length} complaints`,
);
for (const complaint of complaints) console.log(`  ${complaint}`);
process.exitCode = complaints.length === 0 ? 0 : 1;
