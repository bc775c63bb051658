/** One text for one tree: what the canonical form looks like, and that nothing is lost on the way through it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compilePolicy } from "./index.ts";
import { randomContext, randomRule } from "./testing/random-rule.ts";

describe("the canonical form", () => {
  it.each([
    ["  a<b&&\n\tc ", "a < b && c"],
    ["((a))", "a"],
    ["(a + b) + c", "a + b + c"],
    ["a + (b + c)", "a + (b + c)"],
    ["a - (b * c)", "a - b * c"],
    ["(a - b) * c", "(a - b) * c"],
    ["-(a)", "-a"],
    ["-(-(a))", "--a"],
    ["- - a - - b", "--a - -b"],
    ["!(a<b)", "!(a < b)"],
    ["~-(a + b)", "~-(a + b)"],
    ["(a || b) || (c && d)", "a || b || c && d"],
    ["a || (b || c)", "a || (b || c)"],
    ["not(and(a, or(b, c)))", "!(a && (b || c))"],
    ["xor ( (a) , b||c )", "xor(a, b || c)"],
    ["-0", "-0"],
    ["0xff + 1.50 + 1e3 + 1e21 + 0.0000001", "255 + 1.5 + 1000 + 1e+21 + 1e-7"],
    ["9007199254740993", "9007199254740992"],
    ["'it\\'s'", '"it\'s"'],
    ["'\"'", '"\\""'],
    ["'\\n\\u0007\\u202e\\ud800é😀'", '"\\n\\u0007\\u202e\\ud800é😀"'],
  ])("of %j is %j", (text, canonical) => {
    expect(compilePolicy(text).canonical).toBe(canonical);
    expect(compilePolicy(canonical).canonical).toBe(canonical);
  });

  it("P2: compiles to itself, with the same result, for any rule", () => {
    fc.assert(
      fc.property(randomRule, randomContext, ({ text }, context) => {
        const rule = compilePolicy(text);
        const again = compilePolicy(rule.canonical);
        expect(again.canonical).toBe(rule.canonical);
        expect(again.reversePolish).toEqual(rule.reversePolish);
        expect(again.names).toEqual(rule.names);
        expect(again.evaluate(context)).toBe(rule.evaluate(context));
      }),
      { numRuns: 2_000 },
    );
  });

  it("has no parenthesis that could be spared", () => {
    fc.assert(
      fc.property(randomRule, ({ text }) => {
        const { canonical, reversePolish } = compilePolicy(text);
        const bare = canonical.replaceAll(/"(?:\\.|[^"\\])*"/g, (string) => "_".repeat(string.length));
        for (const [open, close] of parentheses(bare)) {
          const without = spliced(canonical, open, close);
          const same = (): boolean => compilePolicy(without).reversePolish.join(" ") === reversePolish.join(" ");
          expect(compiles(without) && same(), `${canonical} without those at ${open}`).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("P2: depends on nothing but text and context", () => {
    const text = "xor(b > 1.5, and(a, 'x' < s)) || -n % 7 == -0";
    const one = compilePolicy(text);
    const context = { a: true, b: 2, s: "y", n: 14 };
    const results = Array.from({ length: 50 }, () => {
      const fresh = compilePolicy(text);
      return JSON.stringify([fresh.canonical, fresh.reversePolish, fresh.names, fresh.evaluate(context)]);
    });
    expect(new Set(results).size).toBe(1);
    const reordered = { n: 14, s: "y", extra: 1, b: 2, a: true };
    expect(one.evaluate(reordered)).toBe(one.evaluate(context));
  });
});

/** Pairs of parentheses that only group; those of xor belong to it. */
function parentheses(text: string): [number, number][] {
  const pairs: [number, number][] = [];
  const open: number[] = [];
  for (const [place, sign] of [...text.split("")].entries()) {
    if (sign === "(") open.push(place);
    if (sign !== ")") continue;
    const start = open.pop()!;
    if (!text.slice(0, start).endsWith("xor")) pairs.push([start, place]);
  }
  return pairs;
}

function spliced(text: string, open: number, close: number): string {
  return `${text.slice(0, open)} ${text.slice(open + 1, close)} ${text.slice(close + 1)}`;
}

function compiles(text: string): boolean {
  try {
    compilePolicy(text);
    return true;
  } catch {
    return false;
  }
}
