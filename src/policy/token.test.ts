/** Signs, numbers and strings that are none here: what is said about each, word by word. */
import { describe, expect, it } from "vitest";
import { compilePolicy } from "./index.ts";
import { faultOf } from "./testing/fault-of.ts";

const lines = (...list: readonly string[]): string => list.join("\n");

const wrongTexts = [
  {
    text: "a = 3",
    code: "POLICY_SYNTAX",
    message: lines('at column 3: expected a value, a name or an operator, found "="', "  a = 3", "    ^"),
    hint: "Did you mean `==`? An expression assigns nothing.",
  },
  {
    text: "a & b",
    code: "POLICY_SYNTAX",
    message: lines('at column 3: expected a value, a name or an operator, found "&"', "  a & b", "    ^"),
    hint: "Did you mean `&&`? There are no bitwise `&` and `|`.",
  },
  {
    text: "a | b",
    code: "POLICY_SYNTAX",
    message: lines('at column 3: expected a value, a name or an operator, found "|"', "  a | b", "    ^"),
    hint: "Did you mean `||`? There are no bitwise `&` and `|`.",
  },
  {
    text: "a === b",
    code: "POLICY_SYNTAX",
    message: lines('at column 3: expected a value, a name or an operator, found "==="', "  a === b", "    ^"),
    hint: "Did you mean `==`? Types are never converted, so `==` is exact.",
  },
  {
    text: "5ms",
    code: "POLICY_SYNTAX",
    message: lines('at column 2: expected the end of the number, found "5ms"', "  5ms", "   ^"),
    hint: "Numbers have no units, and names do not begin with a digit; write 5.",
  },
  {
    text: "1_000",
    code: "POLICY_SYNTAX",
    message: lines('at column 2: expected the end of the number, found "1_000"', "  1_000", "   ^"),
    hint: "Digits are written together, without `_`.",
  },
  {
    text: "007",
    code: "POLICY_SYNTAX",
    message: lines('at column 2: expected the end of the number, found "007"', "  007", "   ^"),
    hint: "Numbers have no leading zeros; hexadecimal ones begin with `0x`.",
  },
  {
    text: "1.",
    code: "POLICY_SYNTAX",
    message: lines('at column 2: expected the end of the number, found "1."', "  1.", "   ^"),
    hint: "Digits stand on both sides of the point, as in `0.5`, and there is one point.",
  },
  {
    text: ".5",
    code: "POLICY_SYNTAX",
    message: lines('at column 1: expected a value, a name or an operator, found "."', "  .5", "  ^"),
    hint: "Numbers begin with a digit, as in `0.5`, and names are joined by a dot without spaces, as in `gpu.load`.",
  },
  {
    text: "1e",
    code: "POLICY_SYNTAX",
    message: lines('at column 2: expected the end of the number, found "1e"', "  1e", "   ^"),
    hint: "An exponent is a whole number, as in `1e6`.",
  },
  {
    text: "0xg",
    code: "POLICY_SYNTAX",
    message: lines('at column 2: expected the end of the number, found "0xg"', "  0xg", "   ^"),
    hint: "After `0x` come the digits 0 to 9 and a to f.",
  },
  {
    text: "0b101",
    code: "POLICY_SYNTAX",
    message: lines('at column 2: expected the end of the number, found "0b101"', "  0b101", "   ^"),
    hint: "Numbers are decimal or, after `0x`, hexadecimal.",
  },
  {
    text: "1e999",
    code: "POLICY_LIMIT",
    message: lines('at column 1: expected a number below 1.8e308, found "1e999"', "  1e999", "  ^"),
    hint: "Numbers are IEEE doubles; this one would not be what is written.",
  },
  {
    text: "0x20000000000000",
    code: "POLICY_LIMIT",
    message: lines(
      'at column 1: expected a hexadecimal number of at most 0x1fffffffffffff, found "0x20000000000000"',
      "  0x20000000000000",
      "  ^",
    ),
    hint: "Numbers are IEEE doubles; this one would not be what is written.",
  },
  {
    text: "a.b.-c",
    code: "POLICY_SYNTAX",
    message: lines('at column 4: expected a value, a name or an operator, found "."', "  a.b.-c", "     ^"),
    hint: "Numbers begin with a digit, as in `0.5`, and names are joined by a dot without spaces, as in `gpu.load`.",
  },
  {
    text: "a ** 2",
    code: "POLICY_SYNTAX",
    message: lines('at column 3: expected a value, a name or an operator, found "**"', "  a ** 2", "    ^"),
    hint: "There are no powers; multiply instead.",
  },
  {
    text: "a >>> 1",
    code: "POLICY_SYNTAX",
    message: lines('at column 3: expected a value, a name or an operator, found ">>>"', "  a >>> 1", "    ^"),
    hint: "Did you mean `>>`? Shifts keep the sign; there is no unsigned shift.",
  },
  {
    text: "a <> b",
    code: "POLICY_SYNTAX",
    message: lines('at column 3: expected a value, a name or an operator, found "<>"', "  a <> b", "    ^"),
    hint: "Did you mean `!=`?",
  },
  {
    text: "a ? b : c",
    code: "POLICY_SYNTAX",
    message: lines('at column 3: expected a value, a name or an operator, found "?"', "  a ? b : c", "    ^"),
    hint: "There is no conditional; use `&&`, `||` and `!`.",
  },
  {
    text: "xs[0]",
    code: "POLICY_SYNTAX",
    message: lines('at column 3: expected a value, a name or an operator, found "["', "  xs[0]", "    ^"),
    hint: "There are no lists and no indices; name the value itself, as in `gpu.load`.",
  },
  {
    text: "a ≤ b",
    code: "POLICY_SYNTAX",
    message: lines('at column 3: expected a value, a name or an operator, found "≤"', "  a ≤ b", "    ^"),
    hint: "Did you mean `<=`?",
  },
  {
    text: "“open”",
    code: "POLICY_SYNTAX",
    message: lines('at column 1: expected a value, a name or an operator, found "“"', "  “open”", "  ^"),
    hint: 'Write strings in straight quotes, as in "open".',
  },
  {
    text: "température > 3",
    code: "POLICY_SYNTAX",
    message: lines('at column 5: expected a value, a name or an operator, found "é"', "  température > 3", "      ^"),
    hint: "Names are made of ASCII letters, digits and `_`; any other text stands in quotes.",
  },
  {
    text: "a; b",
    code: "POLICY_SYNTAX",
    message: lines('at column 2: expected a value, a name or an operator, found ";"', "  a; b", "   ^"),
    hint: "An expression is one rule; join two with `&&` or `||`.",
  },
  {
    text: "a < b",
    code: "POLICY_SYNTAX",
    message: lines('at column 4: expected a value, a name or an operator, found "\\u00a0"', "  a <�b", "     ^"),
    hint: "This is not the space of the space bar; replace it with one.",
  },
  {
    text: '"open',
    code: "POLICY_SYNTAX",
    message: lines('at column 6: expected a closing ", found the end', '  "open', "       ^"),
    hint: "The string begins at column 1; a line break within it is written \\n.",
  },
  {
    text: "'a\nb'",
    code: "POLICY_SYNTAX",
    message: lines("at line 1, column 3: expected a closing ', found the end of the line", "  'a", "    ^"),
    hint: "The string begins at line 1, column 1; a line break within it is written \\n.",
  },
  {
    text: '"\\d"',
    code: "POLICY_SYNTAX",
    message: lines('at column 2: expected one of \\\\ \\" \\\' \\n \\r \\t \\uXXXX, found "\\\\d"', '  "\\d"', "   ^"),
    hint: "A backslash itself is written \\\\.",
  },
  {
    text: '"\\u12"',
    code: "POLICY_SYNTAX",
    message: lines(
      'at column 2: expected one of \\\\ \\" \\\' \\n \\r \\t \\uXXXX, found "\\\\u"',
      '  "\\u12"',
      "   ^",
    ),
    hint: "A backslash itself is written \\\\.",
  },
  {
    text: '"a\tb"',
    code: "POLICY_SYNTAX",
    message: lines('at column 3: expected text, found "\\t"', '  "a�b"', "    ^"),
    hint: "Control characters are written as escapes, such as \\t or \\u0007.",
  },
  {
    text: "a <\n  b = 3",
    code: "POLICY_SYNTAX",
    message: lines('at line 2, column 5: expected a value, a name or an operator, found "="', "    b = 3", "      ^"),
    hint: "Did you mean `==`? An expression assigns nothing.",
  },
];

describe("what is no token", () => {
  it.each(wrongTexts)("P2: $text is refused, with its column and the mend", ({ text, code, message, hint }) => {
    const fault = faultOf(() => compilePolicy(text));
    expect({ code: fault.code, message: fault.rawMessage, hint: fault.hint }).toEqual({ code, message, hint });
  });
});

describe("tokens", () => {
  it("may stand side by side where they cannot be read as one", () => {
    const context = { a: 4, b: 2, c: true };
    for (const [text, result] of [
      ["a<-b", false],
      ["a- -b==6&&!c==false", true],
      ["a>>b<<1", 2],
      ["'x'=='x'&&c", true],
      ["-a+b", -2],
      ["0x1-1", 0],
      ["1e3-1", 999],
      ["!c||a>b", true],
    ] as const) {
      expect(compilePolicy(text).evaluate(context), text).toBe(result);
    }
  });
});
