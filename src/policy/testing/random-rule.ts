/**
 * Rules at random whose types are right, each written twice: as somebody might type it, and as JavaScript with every
 * parenthesis, which is the oracle of what it means.
 */
import fc from "fast-check";

export interface RandomRule {
  readonly text: string;
  readonly javaScript: string;
}

/** The names of random rules, and values for them. */
export const randomContext = fc.record({
  n: fc.oneof(fc.double(), fc.integer({ min: -40, max: 40 })),
  m: fc.integer({ min: -40, max: 40 }),
  b: fc.boolean(),
  c: fc.boolean(),
  s: fc.string({ maxLength: 3 }),
  g: fc.record({ load: fc.double({ noNaN: true }), on: fc.boolean() }),
});

const spaces = fc.constantFrom("", " ", "\t", "\n ", "  ");

const numbers = fc.oneof(
  fc.constantFrom("0", "1", "7", "0.5", "1e3", "2E-3", "0xFf", "1.5e+2", "9007199254740993", "5e-324").map(both),
  fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map((value) => both(String(value === 0 ? 0 : value))),
  fc.constantFrom("n", "m", "g.load").map(both),
);
const booleans = fc.constantFrom("true", "false", "b", "c", "g.on").map(both);
const strings = fc.oneof(
  fc.constant(both("s")),
  fc.string({ unit: "binary", maxLength: 4 }).map((value) => {
    const units = [...value]
      .flatMap((each) => each.split(""))
      .map(escaped)
      .join("");
    return { text: `'${units}'`, javaScript: JSON.stringify(value) };
  }),
  fc.constantFrom('"a\\tb"', "'it\\'s'", '"\\u00e9\\ud800"', '""').map(both),
);

function escaped(unit: string): string {
  return /[\w é]/.test(unit) ? unit : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function both(text: string): RandomRule {
  return { text, javaScript: text };
}

type Rule = fc.Arbitrary<RandomRule>;

/** Operands in parentheses always, for what the language does without is the business of other tests. */
function binary(operators: readonly string[], left: Rule, right: Rule): Rule {
  return fc.tuple(left, fc.constantFrom(...operators), right, spaces).map(([a, operator, b, gap]) => ({
    text: `(${a.text})${gap}${operator}${gap}(${b.text}${gap})`,
    javaScript: `((${a.javaScript})${operator.replace(/^[=!]=$/, "$&=")}(${b.javaScript}))`,
  }));
}

function unary(operators: readonly string[], operand: Rule): Rule {
  return fc.tuple(fc.constantFrom(...operators), operand).map(([operator, a]) => ({
    text: `${operator}(${a.text})`,
    javaScript: `(${operator}(${a.javaScript}))`,
  }));
}

function call(name: string, join: string, operands: fc.Arbitrary<RandomRule[]>): Rule {
  return fc.tuple(operands, spaces).map(([list, gap]) => ({
    text: `${name}${gap}(${list.map(({ text }) => text).join(`${gap},`)})`,
    javaScript: `(${list.map(({ javaScript }) => `(${javaScript})`).join(join)})`,
  }));
}

const { rule } = fc.letrec<{ rule: RandomRule; number: RandomRule; boolean: RandomRule }>((tie) => {
  const number = tie("number") as Rule;
  const boolean = tie("boolean") as Rule;
  const two = fc.array(boolean, { minLength: 2, maxLength: 4 });
  return {
    rule: fc.oneof({ weight: 4, arbitrary: boolean }, { weight: 2, arbitrary: number }, strings),
    number: fc.oneof(
      { maxDepth: 5 },
      numbers,
      binary(["+", "-", "*", "/", "%", "<<", ">>"], number, number),
      unary(["-", "~"], number),
    ),
    boolean: fc.oneof(
      { maxDepth: 5 },
      booleans,
      binary(["&&", "||", "==", "!="], boolean, boolean),
      binary(["<", ">", "<=", ">=", "==", "!="], number, number),
      binary(["<", ">", "<=", ">=", "==", "!="], strings, strings),
      unary(["!"], boolean),
      call("and", "&&", two),
      call("or", "||", two),
      call("xor", "!==", two),
    ),
  };
});

export const randomRule: fc.Arbitrary<RandomRule> = rule;

/** What JavaScript makes of a random rule. */
export function javaScriptResult({ javaScript }: RandomRule, context: Readonly<Record<string, unknown>>): unknown {
  return new Function(...Object.keys(context), `return ${javaScript};`)(...Object.values(context));
}
