/**
 * What a guarded call costs beside a bare one: Holdfast's resilience core and those it is an alternative to.
 *
 *     npm run bench:resilience [-- --rounds 40] [--turn-ms 10] [--only PART OF A TITLE] [--json FILE] [--quick]
 *
 * Times are of calls one after another, in turns in one process; *overhead* is the time above the bare call of the same
 * round. *Alone* is the same in a fresh process that has seen nothing but the bare call and this contender. What a
 * contender does beside its calls (opossum moves its windows on by timers) is not in the times; the processor time of
 * idle breakers is.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { assert } from "../../src/base/index.ts";
import { installPeers, versionOf } from "../install.ts";
import { peerNames } from "../peers/case.ts";
import { type Figures, inFreshProcess, measureAlone, type Part } from "./alone.ts";
import { refusalTurnOf, type Turn, turnOf } from "./calls.ts";
import type { Contender, RowName } from "./contender.ts";
import { contenders } from "./contenders.ts";
import { figuresReport, summarise, timedReport } from "./report.ts";
import { type RoundOptions, timeRounds } from "./rounds.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "40" },
    "turn-ms": { type: "string", default: "10" },
    only: { type: "string", default: "" },
    json: { type: "string" },
    /** A glance: few rounds, no fresh processes for speed. */
    quick: { type: "boolean", default: false },
    calls: { type: "string", default: "1000000" },
    /** In a fresh process: what to measure, of whom. */
    part: { type: "string" },
    contender: { type: "string", default: "" },
    row: { type: "string", default: "" },
    kind: { type: "string", default: "" },
  },
});

const calls = flags.quick ? 100_000 : Number(flags.calls);
const roundOptions: RoundOptions = {
  rounds: flags.quick ? 10 : Number(flags.rounds),
  turnMs: Number(flags["turn-ms"]),
  warmUpMs: flags.quick ? 100 : 300,
};

const say = (lines: readonly string[]): void => void process.stdout.write(`${lines.join("\n")}\n`);

const titles = {
  closed: "R7: closed path, a breaker around a call that succeeds",
  pipe: "Pipe: retry, timeout and breaker around a call that succeeds",
  refusal: "R1: refusal by an open breaker; bare is a call that fails",
  stackless: "Refusal without stack traces (Error.stackTraceLimit = 0)",
  bytes: "Bytes allocated per call",
  keyed: "10,000 breakers, one a key, each called once, then idle",
  signal: `${calls.toLocaleString("en")} calls that share one AbortSignal`,
} as const;
type Table = keyof typeof titles;

const chosen = (name: Table): boolean => titles[name].toLowerCase().includes(flags.only.toLowerCase());

async function timedTable(name: Table, row: RowName, by: "overhead" | "time", isAlone: boolean): Promise<unknown> {
  const taking = contenders.filter((contender) => contender.row === row);
  const turns: Turn[] = [];
  for (const contender of taking)
    turns.push(name === "refusal" || name === "stackless" ? await refusalTurnOf(contender) : turnOf(contender));
  const times = await timeRounds(turns, roundOptions);
  const results = summarise(
    taking.map((contender, place) => ({ contender, times: times[place]! })),
    by,
  );
  const alone = isAlone && !flags.quick ? await eachAlone("speed", taking) : new Map<string, Figures>();
  say(timedReport(titles[name], results, by, alone));
  return { results, alone: Object.fromEntries(alone) };
}

async function eachAlone(part: Part, taking: readonly Contender[]): Promise<Map<string, Figures>> {
  const figures = new Map<string, Figures>();
  for (const contender of taking) figures.set(contender.name, await inFreshProcess(part, contender, calls));
  return figures;
}

async function figuresTable(
  name: "bytes" | "keyed" | "signal",
  taking: readonly Contender[],
  columns: Parameters<typeof figuresReport>[1],
): Promise<unknown> {
  const figures = await eachAlone(name, taking);
  say(figuresReport(titles[name], columns, figures));
  return Object.fromEntries(figures);
}

async function main(): Promise<void> {
  installPeers(peerNames);
  const versions = Object.fromEntries(peerNames.map((name) => [name, versionOf(name)]));
  const named = peerNames.map((name) => `${name} ${versions[name]}`).join(", ");
  say([`Node ${process.version}, ${named}; ${roundOptions.rounds} rounds.`]);
  const tables: Partial<Record<Table, unknown>> = {};
  const guarded = contenders.filter(({ row, role, kind }) => row === "breaker" && role !== "bare" && kind === "async");
  if (chosen("closed")) tables.closed = await timedTable("closed", "breaker", "overhead", true);
  if (chosen("refusal")) tables.refusal = await timedTable("refusal", "breaker", "time", false);
  if (chosen("stackless")) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    tables.stackless = await timedTable("stackless", "breaker", "time", false);
    Error.stackTraceLimit = stackTraceLimit;
  }
  if (chosen("pipe")) tables.pipe = await timedTable("pipe", "pipe", "overhead", true);
  if (chosen("bytes"))
    tables.bytes = await figuresTable("bytes", contenders, {
      bytes: { key: "bytesPerCall", digits: 1 },
      "above bare": { key: "aboveBare", digits: 1 },
    });
  if (chosen("keyed"))
    tables.keyed = await figuresTable("keyed", guarded, {
      "bytes each": { key: "bytesPerKey", digits: 0 },
      timers: { key: "timers", digits: 0 },
      "of these keep Node alive": { key: "keepAlive", digits: 0 },
      "processor while idle, %": { key: "idlePercent", digits: 1 },
    });
  if (chosen("signal"))
    tables.signal = await figuresTable(
      "signal",
      contenders.filter((contender) => contender.kind === "async" && contender.takesSignal === true),
      {
        "listeners left": { key: "listenersLeft", digits: 0 },
        "heap growth, bytes": { key: "heapGrowthBytes", digits: 0 },
      },
    );
  if (flags.json === undefined) return;
  writeFileSync(flags.json, `${JSON.stringify({ node: process.version, versions, tables }, undefined, 2)}\n`);
}

/** One part of one contender, for the process that started this one. */
async function runPart(part: Part): Promise<void> {
  const of = (test: (contender: Contender) => boolean): Contender => {
    const found = contenders.find((one) => one.row === flags.row && one.kind === flags.kind && test(one));
    assert(found !== undefined, `nobody of the row ${flags.row} is ${flags.kind} and ${flags.contender}`);
    return found;
  };
  const own = of(({ name }) => name === flags.contender);
  const figures = await measureAlone(
    part,
    own,
    of(({ role }) => role === "bare"),
    calls,
  );
  process.stdout.write(JSON.stringify(figures), () => process.exit(0));
}

if (flags.part === undefined) {
  await main();
  // An open breaker of mollitia would keep the process alive until it is half-open.
  process.exit();
}
await runPart(flags.part as Part);
