/** What a rule means: how it groups, what it yields, and what it never evaluates. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compilePolicy, type PolicyContext, type PolicyValue } from "./index.ts";
import { defaultPolicyLimits } from "./limits.ts";
import { polishText, toReversePolish } from "./reverse-polish.ts";
import { javaScriptResult, randomContext, randomRule } from "./testing/random-rule.ts";

/** The table of SPEC P1, written out once more. */
const precedences: Readonly<Record<string, number>> = {
  "||": 1,
  "&&": 2,
  "==": 3,
  "!=": 3,
  "<": 4,
  ">": 4,
  "<=": 4,
  ">=": 4,
  "<<": 8,
  ">>": 8,
  "+": 9,
  "-": 9,
  "*": 10,
  "/": 10,
  "%": 10,
};
const binaries = Object.keys(precedences);
const unaries = ["!", "~", "-"];

/** Precedence climbing, which has nothing in common with a shunting-yard but its result. */
function climb(words: string[], least = 0): string[] {
  const word = words.shift()!;
  let left: string[];
  if (word === "(") {
    left = climb(words);
    words.shift();
  } else left = unaries.includes(word) ? [...climb(words, 11), word === "-" ? "-/1" : word] : [word];
  while (words.length > 0 && words[0] !== ")" && precedences[words[0]!]! >= least) {
    const operator = words.shift()!;
    left = [...left, ...climb(words, precedences[operator]! + 1), operator];
  }
  return left;
}

function polish(words: readonly string[]): string[] {
  return toReversePolish(words.join(" "), defaultPolicyLimits).map(polishText);
}

function resultOf(text: string, context: PolicyContext = {}): PolicyValue {
  return compilePolicy(text).evaluate(context);
}

describe("grouping", () => {
  const pairs = binaries.flatMap((first) => binaries.map((second) => [first, second] as const));

  it("P1: groups every pair of binary operators by the precedence table, equals from the left", () => {
    expect(pairs).toHaveLength(225);
    for (const [first, second] of pairs) {
      const words = ["a", first, "b", second, "c"];
      expect(polish(words), words.join(" ")).toEqual(climb([...words]));
    }
  });

  it("P1: lets unary operators bind tightest, the last of several first", () => {
    for (const unary of unaries) {
      for (const binary of binaries) {
        for (const words of [
          [unary, "a", binary, "b"],
          ["a", binary, unary, "b"],
          [unary, unary, "a", binary, "-", unary, "b"],
          [unary, "(", "a", binary, "b", ")"],
        ]) {
          expect(polish(words), words.join(" ")).toEqual(climb([...words]));
        }
      }
    }
    expect(polish(["-", "~", "-", "a"])).toEqual(["a", "-/1", "~", "-/1"]);
  });

  it("P1: groups rows of operators and parentheses as the reference does", () => {
    const operand = fc.constantFrom(["a"], ["-", "b"], ["!", "c"], ["(", "a", "+", "b", ")"], ["~", "(", "a", ")"]);
    const rest = fc.array(fc.tuple(fc.constantFrom(...binaries), operand), { maxLength: 12 });
    fc.assert(
      fc.property(operand, rest, (first, others) => {
        const words = [...first, ...others.flatMap(([operator, next]) => [operator, ...next])];
        expect(polish(words)).toEqual(climb([...words]));
      }),
      { numRuns: 2_000 },
    );
  });

  it("P1: tells by a few plain numbers", () => {
    expect(resultOf("2 + 3 * 4")).toBe(14);
    expect(resultOf("10 - 4 - 3")).toBe(3);
    expect(resultOf("100 / 10 * 2 % 7")).toBe(6);
    expect(resultOf("1 << 2 + 1")).toBe(8);
    expect(resultOf("1 << 2 << 1")).toBe(8);
    expect(resultOf("-2 * -3")).toBe(6);
    expect(resultOf("1 - -1")).toBe(2);
    expect(resultOf("~1 + 1")).toBe(-1);
    expect(resultOf("1 < 2 == 3 < 4")).toBe(true);
    expect(resultOf("true || true && false")).toBe(true);
    expect(resultOf("(true || true) && false")).toBe(false);
    expect(resultOf("!false == true")).toBe(true);
  });
});

describe("values", () => {
  it("P1: evaluates the rule of a retry", () => {
    const retry = compilePolicy("elapsed_time > timeout && depth < max_depth");
    expect(retry.test({ elapsed_time: 120, timeout: 100, depth: 2, max_depth: 10 })).toBe(true);
    expect(retry.test({ elapsed_time: 120, timeout: 100, depth: 10, max_depth: 10 })).toBe(false);
    expect(retry.reversePolish).toEqual(["elapsed_time", "timeout", ">", "depth", "max_depth", "<", "&&"]);
    expect(retry.names).toEqual(["depth", "elapsed_time", "max_depth", "timeout"]);
    expect(resultOf("failure_count < threshold", { failure_count: 3, threshold: 5 })).toBe(true);
  });

  it("P1: reads numbers, strings, booleans and dotted names", () => {
    expect(resultOf("0x1F + 1.5e1 + 2E-1")).toBe(31 + 15 + 0.2);
    expect(resultOf("0XfF")).toBe(255);
    expect(resultOf("'it\\'s \"so\"'")).toBe('it\'s "so"');
    expect(resultOf('"a\\\\b\\n\\r\\t\\u00e9"')).toBe("a\\b\n\r\té");
    expect(resultOf("true")).toBe(true);
    expect(resultOf("gpu.card_0.load", { gpu: { card_0: { load: 0.5 } } })).toBe(0.5);
    expect(resultOf("truest == falsehood", { truest: 1, falsehood: 1 })).toBe(true);
    expect(resultOf("_a1", { _a1: 7 })).toBe(7);
    expect(resultOf("on.and", { on: { and: true } })).toBe(true);
  });

  it("P1: has and, or, not and xor as functions", () => {
    expect(resultOf("and(true, 1 < 2, true)")).toBe(true);
    expect(resultOf("or(false, false, true)")).toBe(true);
    expect(resultOf("not(false) && not (1 > 2)")).toBe(true);
    expect(resultOf("xor(true, false)")).toBe(true);
    expect(resultOf("xor(true, true)")).toBe(false);
    expect(resultOf("xor(true, true, true)")).toBe(true);
    expect(compilePolicy("and(a, b || c, not(d))").canonical).toBe("a && (b || c) && !d");
    expect(compilePolicy("or(a, b || c)").canonical).toBe("a || (b || c)");
    expect(compilePolicy("xor(a,b)||c").canonical).toBe("xor(a, b) || c");
  });

  it("P2: means what JavaScript means by it, for any rule whose types are right", () => {
    fc.assert(
      fc.property(randomRule, randomContext, (rule, context) => {
        expect(resultOf(rule.text, context)).toBe(javaScriptResult(rule, context));
      }),
      { numRuns: 3_000 },
    );
  });

  it("calculates with IEEE doubles, and shifts 32-bit integers", () => {
    expect(resultOf("1 / 0")).toBe(Number.POSITIVE_INFINITY);
    expect(resultOf("-1 / 0")).toBe(Number.NEGATIVE_INFINITY);
    expect(resultOf("0 / 0")).toBeNaN();
    expect(resultOf("5 % 0")).toBeNaN();
    expect(resultOf("-5 % 3")).toBe(-2);
    expect(resultOf("-0")).toBe(-0);
    expect(resultOf("0 == -0")).toBe(true);
    expect(resultOf("1 << 33")).toBe(2);
    expect(resultOf("4294967297 << 0")).toBe(1);
    expect(resultOf("-8 >> 1")).toBe(-4);
    expect(resultOf("~1.9")).toBe(-2);
    for (const [text, result] of [
      ["x < 1", false],
      ["x >= 1", false],
      ["x == x", false],
      ["x != x", true],
      ["!(x < 1)", true],
    ] as const) {
      expect(resultOf(text, { x: Number.NaN }), text).toBe(result);
    }
  });

  it("P2: compares strings by their UTF-16 units, whatever the locale", () => {
    expect(resultOf('"Z" < "a"')).toBe(true);
    expect(resultOf('"a" < "ä"')).toBe(true);
    expect(resultOf('"z" < "ä"')).toBe(true);
    expect(resultOf('"10" < "9"')).toBe(true);
    expect(resultOf('s < "\\uff5e"', { s: "\u{1f600}" })).toBe(true);
    expect(resultOf('"é" == "e\\u0301"')).toBe(false);
  });

  it("stops at the first operand that decides", () => {
    expect(resultOf("false && missing")).toBe(false);
    expect(resultOf("true || missing > 1")).toBe(true);
    expect(resultOf("and(false, missing)")).toBe(false);
    expect(resultOf("or(false, true, missing)")).toBe(true);
    expect(() => resultOf("xor(true, missing)")).toThrow("POLICY_UNKNOWN_NAME");
    expect(() => resultOf("true && missing")).toThrow("POLICY_UNKNOWN_NAME");
  });
});

describe("declarations", () => {
  it("know the type of a result where text or declaration tells it", () => {
    expect(compilePolicy("a < b").type).toBe("boolean");
    expect(compilePolicy("a + b").type).toBe("number");
    expect(compilePolicy("'x'").type).toBe("string");
    expect(compilePolicy("a").type).toBeUndefined();
    expect(compilePolicy("a", { types: { a: "string" } }).type).toBe("string");
  });

  it("are held against the context", () => {
    const rule = compilePolicy("state != other", { types: { state: "string" } });
    expect(rule.evaluate({ state: "open", other: "closed" })).toBe(true);
    expect(() => rule.evaluate({ state: 1, other: 2 })).toThrow('expected a string before "!=", found the number 1');
    expect(() => compilePolicy("a", { types: { a: "number" } }).evaluate({ a: true })).toThrow(
      "expected a number in a, as declared, found the boolean true",
    );
  });

  it("leave other names free where only types are given, and not where names are", () => {
    expect(compilePolicy("a < b", { types: { a: "number" } }).evaluate({ a: 1, b: 2 })).toBe(true);
    expect(compilePolicy("a < b", { types: { a: "number" }, names: ["b"] }).names).toEqual(["a", "b"]);
    expect(() => compilePolicy("a < c", { types: { a: "number" }, names: ["b"] })).toThrow("POLICY_UNKNOWN_NAME");
  });
});
