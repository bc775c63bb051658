/** What somebody who wrote a wrong rule is told: word by word, for every mistake that we know people to make. */
import { describe, expect, it } from "vitest";
import { compilePolicy } from "./index.ts";
import { evaluationFault, faultOf } from "./testing/fault-of.ts";

const lines = (...list: readonly string[]): string => list.join("\n");

/** Refused by the text alone. */
const wrongTexts = [
  {
    text: "",
    code: "POLICY_SYNTAX",
    message: lines('at column 1: expected a value, a name, "(", "!", "~" or "-", found the end', "", "  ^"),
    hint: "An expression is a rule such as `failures < 5`.",
  },
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
    text: "a and b",
    code: "POLICY_SYNTAX",
    message: lines("at column 3: expected an operator or the end, found and", "  a and b", "    ^"),
    hint: "Did you mean `a && b`, or and(a, b)?",
  },
  {
    text: "a or b",
    code: "POLICY_SYNTAX",
    message: lines("at column 3: expected an operator or the end, found or", "  a or b", "    ^"),
    hint: "Did you mean `a || b`, or or(a, b)?",
  },
  {
    text: "a xor b",
    code: "POLICY_SYNTAX",
    message: lines("at column 3: expected an operator or the end, found xor", "  a xor b", "    ^"),
    hint: "Did you mean xor(a, b)?",
  },
  {
    text: "not a",
    code: "POLICY_SYNTAX",
    message: lines('at column 1: expected a value, a name, "(", "!", "~" or "-", found not', "  not a", "  ^"),
    hint: "Write `!a` or `not(a)`.",
  },
  {
    text: "a not b",
    code: "POLICY_SYNTAX",
    message: lines("at column 3: expected an operator or the end, found not", "  a not b", "    ^"),
    hint: "`!` and not(a) stand before a value; unequal is `!=`.",
  },
  {
    text: "(a || (b && c)",
    code: "POLICY_SYNTAX",
    message: lines('at column 15: expected an operator or ")", found the end', "  (a || (b && c)", "                ^"),
    hint: "The parenthesis opened at column 1 is not closed.",
  },
  {
    text: "a)",
    code: "POLICY_SYNTAX",
    message: lines('at column 2: expected an operator or the end, found ")"', "  a)", "   ^"),
    hint: "No parenthesis is open here; take this one away or open it before.",
  },
  {
    text: "()",
    code: "POLICY_SYNTAX",
    message: lines('at column 2: expected a value, a name, "(", "!", "~" or "-", found ")"', "  ()", "   ^"),
    hint: "These parentheses hold nothing.",
  },
  {
    text: "a +",
    code: "POLICY_SYNTAX",
    message: lines('at column 4: expected a value, a name, "(", "!", "~" or "-", found the end', "  a +", "     ^"),
    hint: 'Something is missing after "+" at column 3.',
  },
  {
    text: "a && && b",
    code: "POLICY_SYNTAX",
    message: lines(
      'at column 6: expected a value, a name, "(", "!", "~" or "-", found "&&"',
      "  a && && b",
      "       ^",
    ),
    hint: 'Something is missing after "&&" at column 3.',
  },
  {
    text: "* 3",
    code: "POLICY_SYNTAX",
    message: lines('at column 1: expected a value, a name, "(", "!", "~" or "-", found "*"', "  * 3", "  ^"),
    hint: 'Something is missing before "*".',
  },
  {
    text: "+ 3",
    code: "POLICY_SYNTAX",
    message: lines('at column 1: expected a value, a name, "(", "!", "~" or "-", found "+"', "  + 3", "  ^"),
    hint: "There is no plus before a value; leave it out.",
  },
  {
    text: "a b",
    code: "POLICY_SYNTAX",
    message: lines("at column 3: expected an operator or the end, found b", "  a b", "    ^"),
    hint: "Two values stand side by side; an operator such as `&&` or `<` is missing between them.",
  },
  {
    text: "a is b",
    code: "POLICY_SYNTAX",
    message: lines("at column 3: expected an operator or the end, found is", "  a is b", "    ^"),
    hint: "Did you mean `==`?",
  },
  {
    text: "1, 2",
    code: "POLICY_SYNTAX",
    message: lines('at column 2: expected an operator or the end, found ","', "  1, 2", "   ^"),
    hint: "Commas separate the arguments of and(...), or(...) and xor(...); join rules with `&&` or `||`.",
  },
  {
    text: "(a, b)",
    code: "POLICY_SYNTAX",
    message: lines('at column 3: expected an operator or ")", found ","', "  (a, b)", "    ^"),
    hint: "Commas separate the arguments of and(...), or(...) and xor(...); join rules with `&&` or `||`.",
  },
  {
    text: "and(a)",
    code: "POLICY_SYNTAX",
    message: lines("at column 6: expected two or more arguments of and, found 1", "  and(a)", "       ^"),
    hint: "Write and(a, b).",
  },
  {
    text: "not(a, b)",
    code: "POLICY_SYNTAX",
    message: lines("at column 9: expected one argument of not, found 2", "  not(a, b)", "          ^"),
    hint: "Write not(a), or not(and(a, b)).",
  },
  {
    text: "and()",
    code: "POLICY_SYNTAX",
    message: lines('at column 5: expected a value, a name, "(", "!", "~" or "-", found ")"', "  and()", "      ^"),
    hint: "These parentheses hold nothing.",
  },
  {
    text: "and(a,)",
    code: "POLICY_SYNTAX",
    message: lines('at column 7: expected a value, a name, "(", "!", "~" or "-", found ")"', "  and(a,)", "        ^"),
    hint: 'Something is missing after "," at column 6.',
  },
  {
    text: "andd(a, b)",
    code: "POLICY_SYNTAX",
    message: lines("at column 1: expected one of the functions, found andd(", "  andd(a, b)", "  ^"),
    hint: "The functions are and, or, not and xor; did you mean and.",
  },
  {
    text: "max(a, b)",
    code: "POLICY_SYNTAX",
    message: lines("at column 1: expected one of the functions, found max(", "  max(a, b)", "  ^"),
    hint: "The functions are and, or, not and xor.",
  },
  {
    text: "true.x",
    code: "POLICY_SYNTAX",
    message: lines("at column 1: expected a name, found true.x", "  true.x", "  ^"),
    hint: "No name begins with true.",
  },
  {
    text: "and + 1",
    code: "POLICY_SYNTAX",
    message: lines('at column 1: expected a value, a name, "(", "!", "~" or "-", found and', "  and + 1", "  ^"),
    hint: "Did you mean `a && b`, or and(a, b)?",
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
    text: "a <\n  b >\n",
    code: "POLICY_SYNTAX",
    message: lines(
      'at line 2, column 6: expected a value, a name, "(", "!", "~" or "-", found the end',
      "    b >",
      "       ^",
    ),
    hint: 'Something is missing after ">" at line 2, column 5.',
  },
  {
    text: "a <\n  b = 3",
    code: "POLICY_SYNTAX",
    message: lines('at line 2, column 5: expected a value, a name or an operator, found "="', "    b = 3", "      ^"),
    hint: "Did you mean `==`? An expression assigns nothing.",
  },
  {
    text: '1 + "a"',
    code: "POLICY_TYPE",
    message: lines('at column 5: expected a number after "+", found the string "a"', '  1 + "a"', "      ^"),
    hint: "Strings are compared, never joined.",
  },
  {
    text: '"a" + "b"',
    code: "POLICY_TYPE",
    message: lines('at column 1: expected a number before "+", found the string "a"', '  "a" + "b"', "  ^"),
    hint: "Strings are compared, never joined.",
  },
  {
    text: "!3",
    code: "POLICY_TYPE",
    message: lines('at column 2: expected a boolean after "!", found the number 3', "  !3", "   ^"),
    hint: "Compare to get a boolean, as in `failures > 0`; nothing is true or false by itself.",
  },
  {
    text: "-true",
    code: "POLICY_TYPE",
    message: lines('at column 2: expected a number after "-", found the boolean true', "  -true", "   ^"),
    hint: "Give the value as a number; nothing is converted.",
  },
  {
    text: '"a" < 1',
    code: "POLICY_TYPE",
    message: lines('at column 7: expected a string after "<", found the number 1', '  "a" < 1', "        ^"),
    hint: "Both sides must have one type; nothing is converted.",
  },
  {
    text: "true < false",
    code: "POLICY_TYPE",
    message: lines(
      'at column 1: expected a number or a string before "<", found the boolean true',
      "  true < false",
      "  ^",
    ),
    hint: "Booleans have no order; compare them by `==` or `!=`.",
  },
  {
    text: "1 == true",
    code: "POLICY_TYPE",
    message: lines('at column 6: expected a number after "==", found the boolean true', "  1 == true", "       ^"),
    hint: "Both sides must have one type; nothing is converted.",
  },
  {
    text: "(1 < 2) + 1",
    code: "POLICY_TYPE",
    message: lines('at column 4: expected a number before "+", found a boolean', "  (1 < 2) + 1", "     ^"),
    hint: "Give the value as a number; nothing is converted.",
  },
  {
    text: "1 && true",
    code: "POLICY_TYPE",
    message: lines('at column 1: expected a boolean before "&&", found the number 1', "  1 && true", "  ^"),
    hint: "Compare to get a boolean, as in `failures > 0`; nothing is true or false by itself.",
  },
  {
    text: "xor(true, 1)",
    code: "POLICY_TYPE",
    message: lines(
      "at column 11: expected a boolean as argument 2 of xor, found the number 1",
      "  xor(true, 1)",
      "            ^",
    ),
    hint: "Compare to get a boolean, as in `failures > 0`; nothing is true or false by itself.",
  },
  {
    text: "1 < 2 < 3",
    code: "POLICY_TYPE",
    message: lines('at column 3: expected a number or a string before "<", found a boolean', "  1 < 2 < 3", "    ^"),
    hint: "Comparisons do not chain; write `1 < x && x < 3`.",
  },
];

describe("a wrong rule", () => {
  it.each(wrongTexts)("P2: $text is refused, with its column and the mend", ({ text, code, message, hint }) => {
    const fault = faultOf(() => compilePolicy(text));
    expect({ code: fault.code, message: fault.rawMessage, hint: fault.hint }).toEqual({ code, message, hint });
    expect(fault.message).toBe(`[${code}] ${message}`);
    expect(fault.retryable).toBe(false);
  });

  it("P2: has line, column, what was expected and found, and the text in its details", () => {
    expect(faultOf(() => compilePolicy("a <\n  b = 3")).details).toEqual({
      line: 2,
      column: 5,
      expected: "a value, a name or an operator",
      found: '"="',
      text: "a <\n  b = 3",
    });
  });

  it("counts columns in UTF-16 units", () => {
    expect(faultOf(() => compilePolicy('"😀é" = 1')).details).toMatchObject({ line: 1, column: 7 });
  });

  it("is shown around the place where it is long, and never with characters that do not show", () => {
    const fault = faultOf(() => compilePolicy(`${"a + ".repeat(100)}= ${"+ a".repeat(100)}`));
    expect(fault.rawMessage.split("\n").slice(1)).toEqual([
      `  …${"a + ".repeat(15)}= ${"+ a".repeat(12)}+ …`,
      `  ${" ".repeat(61)}^`,
    ]);
    const hidden = faultOf(() => compilePolicy('"a\u202e\ud800\u009b" = 1'));
    expect(hidden.rawMessage.split("\n")[1]).toBe('  "a\ufffd\ufffd\ufffd" = 1');
  });

  it("P2: names what is unknown and what is near, where the names are declared", () => {
    const options = { names: ["elapsed_time", "timeout"], types: { depth: "number" } } as const;
    const near = faultOf(() => compilePolicy("timeout > elapsed_tme", options));
    expect(near.code).toBe("POLICY_UNKNOWN_NAME");
    expect(near.rawMessage).toBe(
      lines("at column 11: expected a declared name, found elapsed_tme", "  timeout > elapsed_tme", "            ^"),
    );
    expect(near.hint).toBe("Did you mean elapsed_time?");
    expect(faultOf(() => compilePolicy("x > 1", options)).hint).toBe("There are: elapsed_time, timeout, depth.");
    expect(faultOf(() => compilePolicy("x > 1", { names: [] })).hint).toBe("There are no names at all.");
  });

  it("is refused where a declared type does not fit", () => {
    const options = { types: { load: "number", state: "string", on: "boolean" } } as const;
    const messages = ["!load", "state + 1", "load == state", "on < on", "load && on"].map(
      (text) => faultOf(() => compilePolicy(text, options)).rawMessage.split("\n")[0],
    );
    expect(messages).toEqual([
      'at column 2: expected a boolean after "!", found load, a number',
      'at column 1: expected a number before "+", found state, a string',
      'at column 9: expected a number after "==", found state, a string',
      'at column 1: expected a number or a string before "<", found on, a boolean',
      'at column 1: expected a boolean before "&&", found load, a number',
    ]);
  });

  it("is refused where its result cannot be what is wanted", () => {
    const fault = faultOf(() => compilePolicy("a + b", { result: "boolean" }));
    expect(fault.code).toBe("POLICY_TYPE");
    expect(fault.rawMessage).toBe(
      lines("at column 3: expected a boolean as the result, found a number", "  a + b", "    ^"),
    );
    const late = evaluationFault("a", { a: 1 }, { result: "boolean" });
    expect(late.rawMessage).toBe(
      lines("at column 1: expected a boolean as the result, found the number 1", "  a", "  ^"),
    );
    expect(faultOf(() => compilePolicy("a").test({ a: "yes" })).rawMessage).toContain('found the string "yes"');
  });

  it("is refused where it is no text", () => {
    const fault = faultOf(() => compilePolicy(true as unknown as string));
    expect(fault.code).toBe("POLICY_SYNTAX");
    expect(fault.rawMessage).toContain("expected an expression as text, found the boolean true");
  });
});
