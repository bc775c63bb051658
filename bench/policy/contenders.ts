/**
 * The same rules in the languages of the peers, each compiled to a function of a context.
 *
 * The peers are installed apart, in this folder's own package, so their types cannot be imported where they are not;
 * what is used of them is declared here.
 */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { compilePolicy } from "../../src/policy/index.ts";

/** The values that the rules are about, all in one context as a program would hand them in. */
export interface Situation {
  readonly elapsed_time: number;
  readonly timeout: number;
  readonly depth: number;
  readonly max_depth: number;
  readonly failures: number;
  readonly gpu: { readonly load: number };
  readonly state: string;
  readonly frozen: boolean;
  readonly used: number;
  readonly reserved: number;
  readonly total: number;
}

export type Evaluate = (situation: Situation) => unknown;

export interface Contender {
  readonly name: string;
  /** The rules, in the contender's own words. */
  readonly texts: readonly string[];
  readonly compile: (text: string) => Evaluate;
}

interface Filtrex {
  compileExpression(text: string): Evaluate;
}

interface ExprEval {
  readonly Parser: new () => { parse(text: string): { evaluate: Evaluate } };
}

interface Jexl {
  compile(text: string): { evalSync: Evaluate };
}

interface Cel {
  parse(text: string): Evaluate;
}

export const peerPackages = ["filtrex", "expr-eval-fork", "jexl", "@marcbachmann/cel-js"] as const;

export const rules = [
  "elapsed_time > timeout && depth < max_depth",
  "failures >= 5 || gpu.load > 0.9",
  'state == "open" && !frozen',
  "(used + reserved) * 100 / total > 90",
];

/** What a programmer would write instead of the rules. */
export const byHand: readonly Evaluate[] = [
  (now) => now.elapsed_time > now.timeout && now.depth < now.max_depth,
  (now) => now.failures >= 5 || now.gpu.load > 0.9,
  (now) => now.state === "open" && !now.frozen,
  (now) => ((now.used + now.reserved) * 100) / now.total > 90,
];

export const holdfast: Contender = {
  name: "holdfast",
  texts: rules,
  compile: (text) => {
    const rule = compilePolicy(text);
    return (situation) => rule.evaluate(situation);
  },
};

export async function peers(): Promise<Contender[]> {
  const packageNamed = createRequire(new URL("../package.json", import.meta.url));
  const { compileExpression } = packageNamed("filtrex") as Filtrex;
  const { Parser } = packageNamed("expr-eval-fork") as ExprEval;
  const jexl = packageNamed("jexl") as Jexl;
  const cel = (await import(pathToFileURL(packageNamed.resolve("@marcbachmann/cel-js")).href)) as Cel;
  const inWords = rules.map((text) => text.replace("&&", "and").replace("||", "or").replace("!", "not "));
  const parser = new Parser();
  return [
    {
      name: "filtrex (makes JavaScript)",
      texts: inWords.map((text) => text.replace("gpu.load", "load of gpu")),
      compile: (text) => compileExpression(text),
    },
    {
      name: "expr-eval-fork",
      texts: inWords,
      compile: (text) => {
        const rule = parser.parse(text);
        return (situation) => rule.evaluate(situation);
      },
    },
    {
      name: "jexl",
      texts: rules,
      compile: (text) => {
        const rule = jexl.compile(text);
        return (situation) => rule.evalSync(situation);
      },
    },
    {
      name: "cel-js",
      // Numbers of JavaScript are doubles there, and doubles mix with no integers.
      texts: rules.map((text) => text.replace("100", "100.0").replace("90", "90.0").replace(">= 5", ">= 5.0")),
      compile: (text) => cel.parse(text),
    },
  ];
}
