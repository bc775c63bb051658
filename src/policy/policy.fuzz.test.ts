/**
 * Broken rules by the ten thousand, each from a seed: every one compiles, or is refused with a place and a code of
 * this layer; never a crash, never a hang. HOLDFAST_FUZZ_CASES asks for more, HOLDFAST_FUZZ_SEED starts elsewhere.
 */
import { describe, expect, it } from "vitest";
import { type Chance, chanceOf } from "../../test/support/mutate.ts";
import { HoldfastError, seededRandom } from "../base/index.ts";
import { compilePolicy, type PolicyContext } from "./index.ts";

/** The other fuzz tests take a model a case; a rule is some hundred times smaller. */
const cases = Number(process.env.HOLDFAST_FUZZ_CASES ?? 300) * 200;
const firstSeed = Number(process.env.HOLDFAST_FUZZ_SEED ?? 1);
const limitMs = 500;

const context: PolicyContext = { a: 1, b: true, s: "open", gpu: { load: 0.5, on: false }, "x.y": 3, NaN: Number.NaN };

const words = [
  ..."a b s c gpu gpu.load gpu.on gpu. .x x.y NaN true false and or not xor and( or( not( xor( __proto__ constructor".split(
    " ",
  ),
  ..."|| && == != < > <= >= << >> + - * / % ! ~ ( ) , ( ) ( )".split(" "),
  ..."0 1 2.5 0x1f 1e3 1e999 0x 1. 007 1_0 9007199254740993 5e-324".split(" "),
  ..."'a' \"b\" '' 'it\\'s' \"\\u0041\" \"\\x\" ' \" \\ = & | ^ ? : ; [ ] { } ` $ @ # . === !== >>> ** <> => é 😀".split(
    " ",
  ),
  "\n",
  "\t",
  "\0",
  "\u00a0",
  "\ud800",
  "\u202e",
  "",
];

const binaries = "|| && == != < > <= >= << >> + - * / %".split(" ");

const rules = [
  "elapsed_time > timeout && depth < max_depth",
  "a >= 1 || gpu.load * 100 % 7 != 3",
  "xor(b, gpu.on, s == 'open') && !(a << 2 > 3)",
  "and(b, or(gpu.on, not(b)), a + -a == 0)",
  "~(a - 0x0f) / 1.5e-3 < 2 == b",
  '"\\u00e9\\n" < s && (((a)))',
];

function soup(chance: Chance): string {
  return Array.from({ length: chance.below(24) }, () => chance.pick(words)).join(chance.pick(["", " ", " ", " "]));
}

/** Operands and operators in turns, so that most of it parses; whether the types fit is left to chance. */
function mixture(chance: Chance): string {
  const operand = (): string => {
    const unary = chance.pick(["", "", "", "!", "-", "~"]);
    if (chance.below(6) === 0) return `${unary}(${mixture(chance)})`;
    return (
      unary + chance.pick(["a", "b", "s", "gpu.load", "gpu.on", "x.y", "NaN", "z", "gpu", "1", "0.5", "true", "'a'"])
    );
  };
  let text = operand();
  while (chance.below(3) > 0) text += ` ${chance.pick(binaries)} ${operand()}`;
  return text;
}

function noise(chance: Chance): string {
  const limit = chance.pick([0x80, 0x100, 0x10000]);
  return String.fromCharCode(...Array.from({ length: chance.below(64) }, () => chance.below(limit)));
}

function mutated(chance: Chance): string {
  let text = chance.pick(rules);
  for (let wounds = 1 + chance.below(3); wounds > 0; wounds--) {
    const place = chance.below(text.length + 1);
    const end = Math.min(text.length, place + 1 + chance.below(6));
    const donor = chance.pick(rules);
    const from = chance.below(donor.length);
    text = chance.pick([
      () => text.slice(0, place) + text.slice(end),
      () => text.slice(0, place) + chance.pick(words) + text.slice(place),
      () => text.slice(0, end) + text.slice(place),
      () => text.slice(0, place) + donor.slice(from, from + 8) + text.slice(end),
      () => text.slice(0, place),
    ])();
  }
  return text;
}

/** Deep, wide and repeated, mostly past a limit. */
function large(chance: Chance): string {
  const count = 1 + chance.below(6_000);
  const [before, middle, after] = chance.pick([
    ["(", "a", ")"],
    ["!", "b", ""],
    ["-", "1", ""],
    ["not(", "b", ")"],
    ["xor(b,", "b", ")"],
    ["a+", "a", ""],
    ["(a+", "a", ")"],
    ["", "'", "x"],
    ["a", "", ""],
    ["'", "", "'"],
    ["\\", "", ""],
    ["9", ".", "9"],
    ["a.", "a", ""],
    ["b&&", "b", ""],
    ["(", "", ""],
    ["\n", "=", ""],
  ] as const);
  return before.repeat(count) + middle + after.repeat(count);
}

/** How it ended: a code, "compiled" or the code of its evaluation. What should never be thrown is thrown on. */
function ending(text: string, seed: number): string {
  try {
    const rule = compilePolicy(text);
    expect(compilePolicy(rule.canonical).canonical).toBe(rule.canonical);
    return endingOf(() => void rule.evaluate(context), "evaluated");
  } catch (error) {
    return refusal(error, `${JSON.stringify(text.slice(0, 200))}, seed ${seed}`);
  }
}

function endingOf(action: () => void, well: string): string {
  try {
    action();
    return well;
  } catch (error) {
    return `then ${refusal(error, "evaluating")}`;
  }
}

function refusal(error: unknown, what: string): string {
  if (!HoldfastError.is(error) || !/^POLICY_(SYNTAX|TYPE|LIMIT|UNKNOWN_NAME)$/.test(error.code)) {
    throw new Error(`${what}: ${(error as Error).stack}`, { cause: error });
  }
  const { line, column } = error.details;
  const [first, shown, caret, ...more] = error.rawMessage.split("\n");
  const bounded = error.message.length < 600 && Number(line) >= 1 && Number(column) >= 1;
  const pointed = more.length === 0 && /^ {2,63}\^$/.test(caret!) && caret!.length <= shown!.length + 1 + 2;
  if (!bounded || !pointed || !/^at .*: expected .*, found /.test(first!)) throw new Error(`${what}: ${error.message}`);
  return error.code;
}

describe.each([
  { what: "token soup", make: soup, share: 1, endings: 4 },
  { what: "operands and operators in turns", make: mixture, share: 0.5, endings: 4 },
  { what: "noise", make: noise, share: 1, endings: 3 },
  { what: "rules with wounds", make: mutated, share: 1, endings: 6 },
  { what: "what is deep, wide and repeated", make: large, share: 0.05, endings: 4 },
])("$what", ({ make, share, endings }) => {
  it("P2: ends soon, in a rule or in an error that shows its place", { timeout: 600_000 }, () => {
    const seen = new Map<string, number>();
    const slow: string[] = [];
    for (let seed = firstSeed; seed < firstSeed + cases * share; seed++) {
      const text = make(chanceOf(seededRandom(seed)));
      let how = "";
      const tookMs = (): number => {
        const startedMs = performance.now();
        how = ending(text, seed);
        return performance.now() - startedMs;
      };
      // Once slow may be the machine's doing; twice is the text's.
      if (tookMs() > limitMs && tookMs() > limitMs) slow.push(text.slice(0, 200));
      seen.set(how, (seen.get(how) ?? 0) + 1);
    }
    expect(slow).toEqual([]);
    // Were all refused alike, the texts would be of one kind, and the test a test of little.
    expect(seen.size, JSON.stringify([...seen])).toBeGreaterThanOrEqual(endings);
  });
});
