/**
 * Every byte of a store of a megabyte changed, one at a time.
 *
 *     npm run fuzz:store -- --flips                all of them, shared by two processes
 *     npm run fuzz:store -- --flips --stride 97    one in so many
 *     npm run fuzz:store -- --flips --minutes 10   as many as there are in that time, spread over the store
 *
 * Prints what came of it: stores that answered all rightly, that answered in part (with errors that name the file and
 * the place), that were not opened; and of those that were mended as well, what was lost for good. Ends with 1 where
 * anything was answered wrongly, not found, or failed in another way.
 */
import { fork } from "node:child_process";
import { parseArgs } from "node:util";
import { makeFlipStore } from "./flip-store.ts";
import { type FlipCounts, flipBytes, newCounts } from "./flips.ts";

const { values: flags } = parseArgs({
  options: {
    flips: { type: "boolean", default: false },
    stride: { type: "string", default: "1" },
    minutes: { type: "string" },
    processes: { type: "string", default: "2" },
    share: { type: "string" },
    seed: { type: "string", default: "1" },
    "mend-each": { type: "string", default: "500" },
  },
});

interface Said {
  readonly counts: FlipCounts;
  readonly faults: readonly string[];
  readonly isEnd: boolean;
}

async function share(): Promise<void> {
  // Thousands of errors a second are made, and only their codes and places are looked at.
  Error.stackTraceLimit = 1;
  const processes = Number(flags.processes);
  const stride = Number(flags.stride) * processes;
  const start = Number(flags.share) * Number(flags.stride);
  const end = flags.minutes === undefined ? undefined : performance.now() + 60_000 * Number(flags.minutes);
  const store = await makeFlipStore({ seed: Number(flags.seed) });
  const mendEach = Number(flags["mend-each"]);
  const say = (said: Said): void => void process.send?.(said);
  const { counts, faults } = await flipBytes(store, {
    ...{ stride, start, mendEach, isOver: () => end !== undefined && performance.now() > end },
    onProgress: (soFar, found) => say({ counts: soFar, faults: found.slice(0, 20), isEnd: false }),
  });
  say({ counts, faults: faults.slice(0, 50), isEnd: true });
}

function sumOf(all: readonly Said[]): FlipCounts {
  const total = newCounts();
  for (const { counts } of all) {
    for (const name of [
      "flips",
      "right",
      "partly",
      "refused",
      "answers",
      "mended",
      "mendedLost",
      "mendedRight",
      "mendedWhole",
    ] as const)
      total[name] += counts[name];
    for (const [name, count] of Object.entries(counts.typed)) total.typed[name] = (total.typed[name] ?? 0) + count;
    for (const [name, [right, partly]] of Object.entries(counts.byPart)) {
      const [before, others] = total.byPart[name] ?? [0, 0];
      total.byPart[name] = [before + right, others + partly];
    }
  }
  return total;
}

function print({ flips, right, partly, refused, answers, typed, byPart, ...mended }: FlipCounts): void {
  console.log(`${flips} flips: ${right} answered all, ${partly} in part, ${refused} not opened; ${answers} answers`);
  for (const [name, count] of Object.entries(typed).sort()) console.log(`${String(count).padStart(10)}  ${name}`);
  for (const [name, [all, some]] of Object.entries(byPart).sort())
    console.log(
      `${String(all + some).padStart(10)}  opened with a changed ${name}: ${all} answered all, ${some} in part`,
    );
  console.log(
    `${mended.mended} of them mended, merged and opened again: ${mended.mendedWhole} had lost nothing; ` +
      `${mended.mendedRight} answers were right, ${mended.mendedLost} ended in a loss that was named`,
  );
}

async function all(): Promise<boolean> {
  const began = performance.now();
  const latest: Said[] = [];
  const ends = Array.from({ length: Number(flags.processes) }, (_, place) => {
    const child = fork(import.meta.filename, [...process.argv.slice(2), "--share", String(place)]);
    child.on("message", (said) => {
      latest[place] = said as Said;
    });
    return new Promise<number | null>((resolve) => child.once("exit", resolve));
  });
  const report = setInterval(() => print(sumOf(latest.filter((said) => said !== undefined))), 60_000);
  const codes = await Promise.all(ends);
  clearInterval(report);
  console.log(`\nafter ${((performance.now() - began) / 1_000).toFixed(0)} s:`);
  print(sumOf(latest));
  const faults = latest.flatMap(({ faults: found }) => found);
  console.log(`${faults.length} faults`);
  for (const fault of faults.slice(0, 40)) console.log(`  ${fault.slice(0, 800)}`);
  const isWhole =
    codes.every((code) => code === 0) && latest.length === codes.length && latest.every(({ isEnd }) => isEnd);
  if (!isWhole) console.log(`a process ended before its end: ${codes.join(", ")}`);
  return isWhole && faults.length === 0;
}

if (flags.share !== undefined) await share();
else if (flags.flips) process.exitCode = (await all()) ? 0 : 1;
else {
  console.error("usage: npm run fuzz:store -- --flips [--stride N] [--minutes N] [--processes N]");
  process.exitCode = 2;
}
