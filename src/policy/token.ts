/**
 * Text to tokens.
 *
 * Names and operators are ASCII, numbers are decimal or hexadecimal, strings stand in single or double quotes. What is
 * known from other languages and means nothing here (`=`, `&`, `===`, `5ms`) is refused with what to write instead.
 */
import { type Fault, placeOf, policyError } from "./fault.ts";
import type { PolicyLimits } from "./limits.ts";
import { shortQuote } from "./literal.ts";

export type Token = Placed &
  (
    | { readonly kind: "number"; readonly value: number }
    | { readonly kind: "string"; readonly value: string }
    | { readonly kind: "name"; readonly name: string }
    | { readonly kind: "symbol"; readonly symbol: string }
    | { readonly kind: "end" }
  );

interface Placed {
  /** Offsets into the text: of the first character, and of the one after the last. */
  readonly at: number;
  readonly end: number;
}

const space = /[ \t\r\n]+/y;
const name = /[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*/y;
const number = /0[xX][0-9A-Fa-f]+|(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const symbol = /\|\||&&|==|!=|<<|>>|<=|>=|[<>+\-*/%!~(),]/y;

/** Signs of other languages, longest first, and what to do about each. */
const foreign =
  /===|!==|>>>|<>|=>|=<|\*\*|&(?!&)|\|(?!\|)|=(?!=)|[?:;^[\]{}`$@#.\u2018-\u201f\u2260\u2264\u2265\u2212\u00d7\u00f7\u2227\u2228]/y;
const instead: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "===": "Did you mean `==`? Types are never converted, so `==` is exact.",
    "!==": "Did you mean `!=`? Types are never converted, so `!=` is exact.",
    ">>>": "Did you mean `>>`? Shifts keep the sign; there is no unsigned shift.",
    "<>": "Did you mean `!=`?",
    "=>": "Did you mean `>=`?",
    "=<": "Did you mean `<=`?",
    "**": "There are no powers; multiply instead.",
    "=": "Did you mean `==`? An expression assigns nothing.",
    "&": "Did you mean `&&`? There are no bitwise `&` and `|`.",
    "|": "Did you mean `||`? There are no bitwise `&` and `|`.",
    "^": "Did you mean `xor(a, b)`?",
    "?": "There is no conditional; use `&&`, `||` and `!`.",
    ":": "There is no conditional; use `&&`, `||` and `!`.",
    ";": "An expression is one rule; join two with `&&` or `||`.",
    "[": "There are no lists and no indices; name the value itself, as in `gpu.load`.",
    "]": "There are no lists and no indices; name the value itself, as in `gpu.load`.",
    "`": "Write strings in single or double quotes.",
    ".": "Numbers begin with a digit, as in `0.5`, and names are joined by a dot without spaces, as in `gpu.load`.",
    "\u2260": "Did you mean `!=`?",
    "\u2264": "Did you mean `<=`?",
    "\u2265": "Did you mean `>=`?",
    "\u2212": "Did you mean `-`?",
    "\u00d7": "Did you mean `*`?",
    "\u00f7": "Did you mean `/`?",
    "\u2227": "Did you mean `&&`?",
    "\u2228": "Did you mean `||`?",
  }),
);

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  "\\": "\\",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** The last token is the end. Throws POLICY_SYNTAX and POLICY_LIMIT. */
export function tokenize(text: string, limits: PolicyLimits): Token[] {
  if (text.length > limits.textCharacters) {
    const [expected, found] = [`at most ${limits.textCharacters} characters`, `${text.length}`];
    const hint = "Split the rule, or raise limits.textCharacters.";
    throw policyError({ code: "POLICY_LIMIT", text, at: limits.textCharacters, expected, found, hint });
  }
  const tokens: Token[] = [];
  let at = skipSpace(text, 0);
  while (at < text.length) {
    if (tokens.length === limits.tokens) {
      const hint = "Split the rule, or raise limits.tokens.";
      throw policyError({
        code: "POLICY_LIMIT",
        text,
        at,
        expected: `at most ${limits.tokens} tokens`,
        found: "more",
        hint,
      });
    }
    const token = tokenAt(text, at, limits);
    tokens.push(token);
    at = skipSpace(text, token.end);
  }
  const end = tokens.at(-1)?.end ?? 0;
  tokens.push({ kind: "end", at: end, end });
  return tokens;
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function skipSpace(text: string, at: number): number {
  return at + (matchAt(space, text, at)?.length ?? 0);
}

function tokenAt(text: string, at: number, limits: PolicyLimits): Token {
  const first = text[at]!;
  if (first === '"' || first === "'") return stringAt(text, at, first, limits);
  if (first >= "0" && first <= "9") return numberAt(text, at);
  const word = matchAt(name, text, at);
  if (word !== undefined) return { kind: "name", name: word, at, end: at + word.length };
  const sign = matchAt(foreign, text, at);
  if (sign !== undefined) throw unknownSign(text, at, sign);
  const known = matchAt(symbol, text, at);
  if (known !== undefined) return { kind: "symbol", symbol: known, at, end: at + known.length };
  throw unknownSign(text, at, String.fromCodePoint(text.codePointAt(at)!));
}

function unknownSign(text: string, at: number, sign: string) {
  let hint = "Names are made of ASCII letters, digits and `_`; any other text stands in quotes.";
  if (/[\u2018-\u201f]/.test(sign)) hint = 'Write strings in straight quotes, as in "open".';
  else if (/\s/.test(sign)) hint = "This is not the space of the space bar; replace it with one.";
  else hint = instead.get(sign) ?? hint;
  return syntaxError(text, at, {
    expected: "a value, a name or an operator",
    found: shortQuote(sign),
    hint,
  });
}

function syntaxError(text: string, at: number, rest: Pick<Fault, "expected" | "found" | "hint">) {
  return policyError({ code: "POLICY_SYNTAX", text, at, ...rest });
}

function numberAt(text: string, at: number): Token {
  const digits = matchAt(number, text, at)!;
  const end = at + digits.length;
  const rest = matchAt(/[\w.]+/y, text, end);
  if (rest !== undefined) {
    const found = shortQuote(digits + rest);
    throw syntaxError(text, end, { expected: "the end of the number", found, hint: numberHint(digits, rest) });
  }
  const value = Number(digits);
  const hexadecimal = /^0x/i.test(digits);
  if (value <= (hexadecimal ? Number.MAX_SAFE_INTEGER : Number.MAX_VALUE)) return { kind: "number", value, at, end };
  throw policyError({
    code: "POLICY_LIMIT",
    text,
    at,
    expected: hexadecimal ? "a hexadecimal number of at most 0x1fffffffffffff" : "a number below 1.8e308",
    found: shortQuote(digits),
    hint: "Numbers are IEEE doubles; this one would not be what is written.",
  });
}

function numberHint(digits: string, rest: string): string {
  if (rest.startsWith("_")) return "Digits are written together, without `_`.";
  if (digits === "0" && /^[0-9]/.test(rest)) return "Numbers have no leading zeros; hexadecimal ones begin with `0x`.";
  if (digits === "0" && /^x/i.test(rest)) return "After `0x` come the digits 0 to 9 and a to f.";
  if (digits === "0" && /^[bo]/i.test(rest)) return "Numbers are decimal or, after `0x`, hexadecimal.";
  if (rest.startsWith(".")) return "Digits stand on both sides of the point, as in `0.5`, and there is one point.";
  if (/^e/i.test(rest)) return "An exponent is a whole number, as in `1e6`.";
  return `Numbers have no units, and names do not begin with a digit; write ${digits}.`;
}

function stringAt(text: string, at: number, quote: string, limits: PolicyLimits): Token {
  let value = "";
  let place = at + 1;
  for (;;) {
    const unit = text[place];
    if (unit === undefined || unit === "\n" || unit === "\r") {
      const hint = `The string begins at ${placeOf(text, at)}; a line break within it is written \\n.`;
      const found = unit === undefined ? "the end" : "the end of the line";
      throw syntaxError(text, place, { expected: `a closing ${quote}`, found, hint });
    }
    if (unit < " ") {
      const hint = "Control characters are written as escapes, such as \\t or \\u0007.";
      throw syntaxError(text, place, { expected: "text", found: shortQuote(unit), hint });
    }
    if (unit === quote) return { kind: "string", value, at, end: place + 1 };
    const [part, end] = unit === "\\" ? escapeAt(text, place) : [unit, place + 1];
    if (value.length === limits.stringCharacters) {
      const expected = `a string of at most ${limits.stringCharacters} characters`;
      const hint = "Shorten the string, or raise limits.stringCharacters.";
      throw policyError({ code: "POLICY_LIMIT", text, at: place, expected, found: "a longer one", hint });
    }
    value += part;
    place = end;
  }
}

/** What an escape stands for, and where it ends. */
function escapeAt(text: string, at: number): [string, number] {
  const letter = text[at + 1] ?? "";
  if (Object.hasOwn(escapes, letter)) return [escapes[letter]!, at + 2];
  const code = matchAt(/\\u[0-9A-Fa-f]{4}/y, text, at);
  if (code !== undefined) return [String.fromCharCode(Number.parseInt(code.slice(2), 16)), at + 6];
  const hint = "A backslash itself is written \\\\.";
  throw syntaxError(text, at, {
    expected: `one of \\\\ \\" \\' \\n \\r \\t \\uXXXX`,
    found: shortQuote(text.slice(at, at + 2)),
    hint,
  });
}
