/** Makes a script that fails shorter, as long as it still fails: halves first, then single operations. */

import type { Operation, Script } from "./operations.ts";
import { runScript } from "./runner.ts";
import type { OpenStore } from "./session.ts";

export interface Shrunk {
  readonly script: Script;
  readonly problem: string;
  readonly tries: number;
}

/** The same kind of problem counts: what it says before its first number or name. */
export async function shrink(
  openStore: OpenStore,
  script: Script,
  problem: string,
  triesLimit: number,
): Promise<Shrunk> {
  let best: Shrunk = { script, problem, tries: 0 };
  let tries = 0;
  const attempt = async (operations: readonly Operation[]): Promise<boolean> => {
    tries++;
    const shorter = { ...script, operations };
    const { violation } = await runScript(openStore, shorter);
    if (violation === undefined || kindOf(violation.problem) !== kindOf(problem)) return false;
    best = {
      script: { ...shorter, operations: operations.slice(0, violation.at + 1) },
      problem: violation.problem,
      tries,
    };
    return true;
  };
  for (let size = Math.ceil(script.operations.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (
      let end = best.script.operations.length;
      end > 0 && tries < triesLimit;
      end = Math.min(end - size, best.script.operations.length)
    ) {
      const { operations } = best.script;
      await attempt(operations.filter((_, place) => place < end - size || place >= end));
    }
  }
  const { operations } = best.script;
  for (const [place, operation] of operations.entries()) {
    if (operation.op !== "together" || tries >= triesLimit) continue;
    await attempt(operations.toSpliced(place, 1, ...operation.operations));
  }
  return { ...best, tries };
}

function kindOf(problem: string): string {
  return problem.split(/[\d:[{"]/)[0]!;
}

/** To be pasted into a file and played with `--replay`. */
export function printedScript({ seed, settings, operations }: Script): string {
  const lines = operations.map((operation) => `    ${JSON.stringify(operation)}`);
  return `{\n  "seed": ${seed},\n  "settings": ${JSON.stringify(settings)},\n  "operations": [\n${lines.join(",\n")}\n  ]\n}`;
}
