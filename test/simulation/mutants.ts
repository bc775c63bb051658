/**
 * Mutants: lines without which the log, the checkpoints or the store would lose something or believe something wrong.
 * Each is marked in the sources by `// mutant: NAME`; taken out, one at a time, in a process of its own, it must be
 * missed by the simulation. So no sync and no check is there for nothing, and the simulation finds what it is for.
 */

import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SmallReport } from "./small.ts";

const root = join(import.meta.dirname, "..", "..");
const mark = /\/\/ mutant: ([a-z0-9-]+)$/;

/** What is simulated, and where its lines are. */
export const subjects = { log: "src/wal", checkpoints: "src/resilience/checkpoint", store: "src/store" } as const;
export type Subject = keyof typeof subjects;

export interface Mutant {
  readonly name: string;
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

export interface MutantResult {
  readonly mutant: Mutant | undefined;
  /** What caught it, and how; undefined where nothing did. */
  readonly found: SmallReport["found"] | { readonly by: "broken"; readonly problem: string };
}

export function listMutants(subject: Subject): Mutant[] {
  const folder = subjects[subject];
  const paths = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).filter((path) =>
    /\.ts$/.test(path),
  );
  return paths.sort().flatMap((path) =>
    readFileSync(join(root, folder, path), "utf8")
      .split("\n")
      .flatMap((text, place) => {
        const [, name] = mark.exec(text.trimEnd()) ?? [];
        return name === undefined ? [] : [{ name, path: `${folder}/${path}`, line: place + 1, text: text.trim() }];
      }),
  );
}

/** The text without the line that is marked by this name. */
export function withoutMutant(text: string, name: string): string {
  const lines = text.split("\n").map((line) => (mark.exec(line.trimEnd())?.[1] === name ? "" : line));
  return lines.join("\n");
}

/** Runs the simulation without this line; without an argument, on the sources as they are. */
export async function runMutant(subject: Subject, mutant?: Mutant): Promise<MutantResult> {
  const child = join(import.meta.dirname, "mutant-child.ts");
  const output = await new Promise<string>((resolve) => {
    const options = { timeout: 600_000, maxBuffer: 1 << 24 };
    execFile(
      process.execPath,
      [child, subject, ...(mutant === undefined ? [] : [mutant.name])],
      options,
      (error, out, err) =>
        resolve(error === null ? out : JSON.stringify({ found: { by: "broken", problem: `${err}${error.message}` } })),
    );
  });
  const { found } = JSON.parse(output) as SmallReport;
  // A line that others need in order to run at all is no mutant, and proves nothing.
  const isBroken = /ReferenceError|SyntaxError|TypeError/.test(found?.problem ?? "");
  return { mutant, found: found !== undefined && isBroken ? { by: "broken", problem: found.problem } : found };
}

/** The sources as they are, then every mutant; two at a time. */
export async function* runMutants(subject: Subject): AsyncGenerator<MutantResult> {
  const waiting: (Mutant | undefined)[] = [undefined, ...listMutants(subject)];
  const running: Promise<MutantResult>[] = [];
  while (waiting.length > 0 || running.length > 0) {
    while (running.length < 2 && waiting.length > 0) running.push(runMutant(subject, waiting.shift()));
    const next = running.shift();
    if (next !== undefined) yield await next;
  }
}

export function printedResult({ mutant, found }: MutantResult): string {
  const name = (mutant === undefined ? "(none)" : mutant.name).padEnd(24);
  const place = (mutant === undefined ? "" : `${mutant.path}:${mutant.line}`).padEnd(34);
  if (found === undefined) return `${name} ${place} ${mutant === undefined ? "passes" : "NOT CAUGHT"}`;
  return `${name} ${place} ${found.by}: ${found.problem.replaceAll(/\s+/g, " ")}`;
}

/**
 * Tries all of a subject's mutants, a line each. The exit code: 0 where every one was caught, and nothing without one.
 */
export async function reportMutants(subject: Subject): Promise<number> {
  let failed = 0;
  for await (const result of runMutants(subject)) {
    const { mutant, found } = result;
    const isRight = mutant === undefined ? found === undefined : found !== undefined && found.by !== "broken";
    if (!isRight) failed++;
    process.stdout.write(`${isRight ? "ok    " : "FAILED"} ${printedResult(result)}\n`);
  }
  return failed === 0 ? 0 : 1;
}
