/** Each bound at its last good and its first bad value, and nesting that would overflow a parser that recurses. */
import { describe, expect, it } from "vitest";
import { compilePolicy, defaultPolicyLimits, type PolicyLimits } from "./index.ts";
import { evaluationFault, faultOf } from "./testing/fault-of.ts";

const row = (count: number, operator: string, operand: string): string => Array(count).fill(operand).join(operator);

/** Texts that have exactly `size` of what the limit counts. */
const sized: Readonly<Record<keyof PolicyLimits, Readonly<Record<string, (size: number) => string>>>> = {
  textCharacters: {
    "a long name": (size) => "a".repeat(size),
    "spaces around": (size) => "1".padStart(size),
    "a string": (size) => `"${"x".repeat(size - 2)}"`,
  },
  tokens: {
    "arguments of xor": (size) => `${"!".repeat(size % 2)}xor(${row(Math.floor(size / 2) - 1, ",", "a")})`,
    parentheses: (size) => (size % 2 === 0 ? `-${nested((size - 2) / 2)}` : nested((size - 1) / 2)),
  },
  depth: {
    parentheses: (size) => nested(size),
    "signs before a value": (size) => `${"!".repeat(size - 1)}true`,
    "a row from the left": (size) => row(size, "+", "1"),
    "a row of conditions": (size) => row(size, "&&", "a"),
    "arguments of and": (size) => `and(${row(size, ",", "a")})`,
    "a row to the right": (size) => `${"(1+".repeat(size - 1)}1${")".repeat(size - 1)}`,
    "calls within calls": (size) => `${"xor(a,".repeat(size - 1)}a${")".repeat(size - 1)}`,
  },
  names: { "different names": (size) => `xor(${Array.from({ length: size }, (_, place) => `n${place}`).join(",")})` },
  stringCharacters: {
    "plain text": (size) => `'${"x".repeat(size)}'`,
    escapes: (size) => `"${"\\u0041".repeat(size)}"`,
  },
  valueCharacters: {},
};

function nested(levels: number): string {
  return `${"(".repeat(levels)}1${")".repeat(levels)}`;
}

const wide = { textCharacters: 1_048_576, tokens: 262_144, depth: 512, names: 65_536, stringCharacters: 1_048_576 };
const cases = Object.entries(sized).flatMap(([limit, texts]) =>
  Object.entries(texts).map(([what, text]) => ({ limit: limit as keyof typeof wide, what, text })),
);

describe("the limits", () => {
  it.each(cases)("P2: $limit is kept to the unit by $what", ({ limit, text }) => {
    for (const bound of [6, 20, 64, defaultPolicyLimits[limit]]) {
      const limits = { ...wide, [limit]: bound };
      expect(compilePolicy(text(bound), { limits }).text).toBe(text(bound));
      const fault = faultOf(() => compilePolicy(text(bound + 1), { limits }));
      expect(fault.code).toBe("POLICY_LIMIT");
      expect(fault.rawMessage).toContain(`${bound}`);
      expect(fault.hint).toContain(`limits.${limit}`);
    }
  });

  it("are in force without being asked for", () => {
    const { textCharacters, tokens, depth, names, stringCharacters } = defaultPolicyLimits;
    for (const text of [
      " ".repeat(textCharacters + 1),
      "-".repeat(tokens + 1),
      "(".repeat(depth + 1),
      sized.names["different names"]!(names + 1),
      `"${"x".repeat(stringCharacters + 1)}"`,
    ]) {
      expect(faultOf(() => compilePolicy(text)).code).toBe("POLICY_LIMIT");
    }
  });

  it("P2: bound every string that a context gives, and so every result", () => {
    const limits = { valueCharacters: 5, stringCharacters: 3 };
    for (const text of ["s", "s == 'a'", "s < t", "s == s", "g.s"]) {
      const context = (length: number) => ({ s: "x".repeat(length), t: "y", g: { s: "x".repeat(length) } });
      expect(compilePolicy(text, { limits }).evaluate(context(5))).toBeDefined();
      expect(evaluationFault(text, context(6), { limits }).code, text).toBe("POLICY_LIMIT");
    }
  });

  it("hold for the canonical form too, so that it can always be compiled again", () => {
    const limits = { textCharacters: 20 };
    expect(compilePolicy("a&&b&&c&&d&&e", { limits: { textCharacters: 21 } }).canonical).toHaveLength(21);
    expect(faultOf(() => compilePolicy("a&&b&&c&&d&&e", { limits })).code).toBe("POLICY_LIMIT");
    const calls = "and(a||b,c||d)";
    expect(compilePolicy(calls, { limits: { tokens: 11 } }).canonical).toBe("(a || b) && (c || d)");
    expect(faultOf(() => compilePolicy(calls, { limits: { tokens: 10 } })).code).toBe("POLICY_LIMIT");
  });

  it("P2: let nothing overflow the call stack, at their ceilings and beyond", () => {
    const limits = wide;
    for (const text of Object.values(sized.depth)) {
      const rule = compilePolicy(text(512), { limits });
      const result = rule.evaluate({ a: true });
      expect(rule.explain({ a: true }).result).toBe(result);
      expect(compilePolicy(rule.canonical, { limits }).canonical).toBe(rule.canonical);
      expect(faultOf(() => compilePolicy(text(20_000), { limits })).code).toBe("POLICY_LIMIT");
    }
  });

  it("can be set to whole numbers up to a ceiling only", () => {
    for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 513, "9" as unknown as number]) {
      const fault = faultOf(() => compilePolicy("a", { limits: { depth: value } }));
      expect(fault.code).toBe("POLICY_LIMIT");
      expect(fault.message).toContain("limits.depth");
    }
  });
});
