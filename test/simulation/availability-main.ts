/**
 * The tables of docs/availability.md:
 *
 *     node test/simulation/availability-main.ts                      about a minute and a half
 *     node test/simulation/availability-main.ts --seeds 1 --operations 10000
 */

import { parseArgs } from "node:util";
import { type AvailabilityOptions, type AvailabilityResult, simulateAvailability } from "./availability.ts";
import type { FaultModel } from "./availability-store.ts";
import { failsAtSecond, healsAtSecond, simulateCascade } from "./cascade.ts";
import { poissonBounds } from "./poisson.ts";

const { values } = parseArgs({
  options: { seeds: { type: "string", default: "3" }, operations: { type: "string", default: "100000" } },
});

const hourMs = 3_600_000;
const single: FaultModel = { faultRate: 0.01, meanUpMs: Infinity, meanDownMs: 0 };
const rare: FaultModel = { faultRate: 0.01, meanUpMs: 100 * hourMs, meanDownMs: hourMs / 6 };
const often: FaultModel = { faultRate: 0.01, meanUpMs: 9 * hourMs, meanDownMs: hourMs };

type Row = Omit<AvailabilityOptions, "seed"> & { readonly name: string };

const operations = Number(values.operations);
const usual = { operations, operationsPerHour: 60 } as const;
const rows: readonly Row[] = [
  { ...usual, name: "1 % faults, everything", faults: single },
  { ...usual, name: "1 % faults, retry and timeout", faults: single, protection: "retry" },
  { ...usual, name: "1 % faults, timeout alone", faults: single, protection: "timeout" },
  { ...usual, name: "and outages, everything", faults: rare },
  { ...usual, name: "and outages, retry and timeout", faults: rare, protection: "retry" },
  { ...usual, name: "and outages, timeout alone", faults: rare, protection: "timeout" },
  { ...usual, name: "and outages, everything, warm", faults: rare, warm: true },
  { ...usual, name: "and outages, everything, 5,000 keys", faults: rare, keys: 5_000 },
  { ...usual, name: "away a tenth of the time, everything", faults: often },
  { ...usual, name: "away a tenth of the time, retry and timeout", faults: often, protection: "retry" },
  { name: "and outages, everything, 2 an hour", operations: operations / 10, operationsPerHour: 2, faults: rare },
];

const line = (...cells: readonly string[]): boolean => process.stdout.write(`| ${cells.join(" | ")} |\n`);

const columns = ["run", "operations", "hours", "faults", "outages", "unanswered", "of these cold", "availability"];
columns.push("whole", "MTBF, h (95 %)", "broken");
line(...columns);
line(...columns.map(() => "---"));
for (const row of rows) line(row.name, ...(await pooled(row)));
for (const withBreaker of [true, false]) process.stdout.write(await cascade(withBreaker));

/** All seeds as one run. */
async function pooled({ name: _, ...options }: Row): Promise<string[]> {
  const runs: AvailabilityResult[] = [];
  for (let seed = 1; seed <= Number(values.seeds); seed++) runs.push(await simulateAvailability({ ...options, seed }));
  const sum = (of: (run: AvailabilityResult) => number): number => runs.reduce((all, run) => all + of(run), 0);
  const all = sum((run) => run.operations);
  const unanswered = sum((run) => run.unanswered);
  const hours = sum((run) => run.hours);
  const whole = sum(({ answers }) => (answers["fresh"] ?? 0) + (answers["durable"] ?? 0));
  const { least, most } = poissonBounds(unanswered);
  const mtbf = unanswered === 0 ? "none seen" : figure(hours / unanswered);
  const upper = least === 0 ? "∞" : figure(hours / least);
  return [
    ...[all, hours, sum((run) => run.storeFaults), sum((run) => run.outages)].map(figure),
    ...[unanswered, sum((run) => run.cold)].map(figure),
    percent((all - unanswered) / all),
    percent(whole / all),
    `${mtbf} (${figure(hours / most)} to ${upper})`,
    figure(sum((run) => run.broken)),
  ];
}

async function cascade(withBreaker: boolean): Promise<string> {
  const { levels, answered } = await simulateCascade({ seed: 1, withBreaker });
  const letters = levels.map((level) => level[0]).join("");
  const during = answered.slice(failsAtSecond, healsAtSecond);
  const share = during.reduce((sum, one) => sum + one, 0) / during.length;
  return `\n${withBreaker ? "with" : "without"} the breaker: ${percent(share)} answered meanwhile\n${letters}\n`;
}

function figure(value: number): string {
  return value < 10 ? String(Number(value.toPrecision(2))) : Math.round(value).toLocaleString("en");
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(4))} %`;
}
