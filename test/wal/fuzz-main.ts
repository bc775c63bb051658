/**
 * Spoiled logs by the thousand.
 *
 *     npm run fuzz:wal [-- --minutes 10] [--first 1]     both forms, every kind of damage; prints what came of it
 *     npm run fuzz:wal -- --case 17                      that one alone, and what was done to the log
 *     npm run fuzz:wal -- --flips                        every byte of a log changed, one at a time
 *
 * Ends with 1 where anything crashed, hung, gave out a wrong entry, or lost one without a word.
 */
import { parseArgs } from "node:util";
import { makeExample } from "./example-log.ts";
import { flipBytes } from "./flips.ts";
import { fuzz } from "./fuzz.ts";
import { makeCorpus, runCase } from "./fuzz-case.ts";

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    first: { type: "string", default: "1" },
    case: { type: "string" },
    flips: { type: "boolean", default: false },
  },
});

async function flipAll(): Promise<boolean> {
  let sound = true;
  for (const format of ["binary", "json"] as const) {
    const log = await makeExample({ format, seed: 1 });
    const { flips, refused, harmless, faults } = await flipBytes(log, { stride: 1, start: 0 });
    console.log(
      `${format}: ${flips} flips, ${refused} refused, ${harmless} behind all entries, ${faults.length} faults`,
    );
    for (const fault of faults.slice(0, 20)) console.log(`  ${fault}`);
    sound &&= faults.length === 0;
  }
  return sound;
}

async function oneCase(seed: number): Promise<boolean> {
  const { classes, faults, done } = await runCase(await makeCorpus(), seed);
  for (const line of [...done, "", ...classes, "", ...faults]) console.log(line);
  return faults.length === 0;
}

async function manyCases(firstCase: number, seconds: number): Promise<boolean> {
  const report = await fuzz({ firstCase, seconds });
  for (const name of Object.keys(report.classes).sort())
    console.log(`${String(report.classes[name]).padStart(9)}  ${name}`);
  console.log(
    `\n${report.cases} cases from ${firstCase} on, the slowest ${report.slowestMs} ms, at most ` +
      `${report.peakMegabytes} MB, ${report.faults.length} with faults`,
  );
  for (const { seed, done, faults } of report.faults) console.log([`case ${seed}`, ...done, ...faults].join("\n  "));
  return report.faults.length === 0;
}

const sound = flags.flips
  ? await flipAll()
  : flags.case !== undefined
    ? await oneCase(Number(flags.case))
    : await manyCases(Number(flags.first), 60 * Number(flags.minutes));
process.exitCode = sound ? 0 : 1;
