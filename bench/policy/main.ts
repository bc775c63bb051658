/**
 * How fast rules are evaluated and compiled, beside the same written by hand in JavaScript and beside other expression
 * languages of npm.
 *
 *   node bench/policy/main.ts [--rounds 15] [--turn-ms 60]
 *
 * Every contender compiles all rules first and then works in turns, in an order that turns round each time, so that no
 * code is measured before the engine has seen all of it. Before anything is said of speed the results are compared.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/base/index.ts";
import { table } from "../table.ts";
import {
  byHand,
  type Contender,
  type Evaluate,
  holdfast,
  peerPackages,
  peers,
  rules,
  type Situation,
} from "./contenders.ts";

const { values: flags } = parseArgs({
  options: { rounds: { type: "string", default: "15" }, "turn-ms": { type: "string", default: "60" } },
});
const rounds = Number(flags.rounds);
const turnMs = Number(flags["turn-ms"]);
const floorPerSecond = 10_000_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const situations: readonly Situation[] = Array.from({ length: 64 }, (_, place) => ({
  elapsed_time: 80 + place,
  timeout: 100,
  depth: place % 12,
  max_depth: 10,
  failures: place % 7,
  gpu: { load: place / 64 },
  state: place % 2 === 0 ? "open" : "closed",
  frozen: place % 3 === 0,
  used: place,
  reserved: 3,
  total: 64,
}));

function installPeers(): void {
  const folder = join(import.meta.dirname, "..");
  if (peerPackages.every((name) => existsSync(join(folder, "node_modules", name)))) return;
  say("Installing what Holdfast is compared with (once) ...");
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--prefix", folder], { stdio: "inherit" });
  if (status !== 0) throw new Error(`npm ci in ${folder} failed`);
}

/** Calls a second, in one turn; how often the answer was yes is used, so that nothing can be left out. */
function perSecond(evaluate: Evaluate, durationMs: number): number {
  let calls = 0;
  let yes = 0;
  const startMs = systemClock.monotonicMs();
  let elapsedMs = 0;
  do {
    for (let repeat = 0; repeat < 2_000; repeat++) if (evaluate(situations[repeat & 63]!) === true) yes++;
    calls += 2_000;
    elapsedMs = systemClock.monotonicMs() - startMs;
  } while (elapsedMs < durationMs);
  if (yes > calls) throw new Error("more answers than questions");
  return (calls * 1_000) / elapsedMs;
}

function median(list: readonly number[]): number {
  return list.toSorted((a, b) => a - b)[list.length >> 1]!;
}

interface Runner {
  readonly name: string;
  readonly evaluates: readonly Evaluate[];
}

/** Refuses to measure what does not answer alike. */
function compareAnswers(runners: readonly Runner[]): void {
  for (const { name, evaluates } of runners) {
    for (const [rule, evaluate] of evaluates.entries()) {
      const wrong = situations.find((situation) => evaluate(situation) !== byHand[rule]!(situation));
      if (wrong !== undefined)
        throw new Error(`${name} answers otherwise to ${rules[rule]} in ${JSON.stringify(wrong)}`);
    }
  }
}

/** Medians of the calls a second, by runner and rule. */
function measureEvaluations(runners: readonly Runner[]): number[][] {
  const turns = runners.map(() => rules.map((): number[] => []));
  for (const { evaluates } of runners) for (const evaluate of evaluates) perSecond(evaluate, turnMs);
  for (let round = 0; round < rounds; round++) {
    for (const place of round % 2 === 0 ? runners.keys() : [...runners.keys()].toReversed()) {
      for (const rule of rules.keys()) {
        turns[place]![rule]!.push(perSecond(runners[place]!.evaluates[rule]!, turnMs));
      }
    }
  }
  return turns.map((list) => list.map(median));
}

/** Median microseconds to compile one rule, warm. */
function measureCompiling({ texts, compile }: Contender): number[] {
  return texts.map((text) => {
    const turns = Array.from({ length: 20 }, () => {
      const startMs = systemClock.monotonicMs();
      for (let repeat = 0; repeat < 100; repeat++) compile(text);
      return (systemClock.monotonicMs() - startMs) * 10;
    });
    return median(turns);
  });
}

const millions = (rate: number): string => (rate / 1e6).toFixed(rate < 1e6 ? 3 : 1);

async function main(): Promise<void> {
  installPeers();
  const contenders = [holdfast, ...(await peers())];
  const runners: Runner[] = [
    ...contenders.map(({ name, texts, compile }) => ({ name, evaluates: texts.map(compile) })),
    { name: "by hand", evaluates: byHand },
  ];
  compareAnswers(runners);
  for (const [place, text] of rules.entries()) say(`${place + 1}  ${text}`);
  say(`\nMillions of evaluations a second, medians of ${rounds} rounds in turns, Node ${process.version}:\n`);
  const rates = measureEvaluations(runners);
  const heads = rules.map((_, place) => String(place + 1));
  say(
    table(
      ["", ...heads],
      rates.map((row, place) => [runners[place]!.name, ...row.map(millions)]),
    ).join("\n"),
  );
  const [own, hand] = [rates[0]!, rates.at(-1)!];
  say(
    `\nBy hand is faster than holdfast by ${own.map((rate, rule) => (hand[rule]! / rate).toFixed(1)).join(", ")} times.`,
  );
  say("\nMicroseconds to compile one rule:\n");
  const compiling = contenders.map((contender) => [
    contender.name,
    ...measureCompiling(contender).map((us) => us.toFixed(1)),
  ]);
  say(table(["", ...heads], compiling).join("\n"));
  const met = own[0]! >= floorPerSecond;
  say(`\nRule 1: ${millions(own[0]!)} million a second, floor ${floorPerSecond / 1e6}: ${met ? "met" : "MISSED"}`);
  process.exitCode = met ? 0 : 1;
}

await main();
