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
