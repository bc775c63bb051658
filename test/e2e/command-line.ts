/**
 * The command line as a user has it: a process of its own, with its own state, that can be killed.
 *
 * Every run carries a mark in its environment which its cells inherit, so that what a run leaves behind is found by
 * looking through all processes, whoever has adopted them.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pause } from "../sandbox/process-life.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");
export const exampleModel = join(import.meta.dirname, "../../examples/shapes/shapes.onnx");

/** The path of a real model, undefined where the folder beside the project does not hold it. */
export function realModel(name: string): string | undefined {
  const path = join(import.meta.dirname, "../../../shared/models", `${name}.onnx`);
  return existsSync(path) ? path : undefined;
}

export interface RunOptions {
  /** SIGKILL so long after the start, if the process still runs then. */
  readonly killAfterMs?: number;
  /** Units that misbehave: `<start of a unit's hash>=<fault>`. */
  readonly faults?: string;
  readonly folder?: string;
}

export interface Run {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsedMs: number;
  /** In the environment of the process and of its cells. */
  readonly mark: string;
}

export function holdfast(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const { killAfterMs, faults, folder } = options;
  const mark = `mark-${randomUUID()}`;
  const startedMs = performance.now();
  const child = spawn(process.execPath, [main, ...args], {
    // The mark is the start of no hash.
    env: { PATH: process.env.PATH, HOLDFAST_FAULTS: `${faults === undefined ? "" : `${faults},`}${mark}=none` },
    stdio: ["ignore", "pipe", "pipe"],
    ...(folder === undefined ? {} : { cwd: folder }),
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => {
      clearTimeout(timer);
      resolve({ exitCode, signal, stdout, stderr, elapsedMs: performance.now() - startedMs, mark });
    });
  });
}

/** Processes with that mark, after up to the time given for them to end. */
export async function leftBehind(mark: string, patienceMs = 1_000): Promise<number[]> {
  let pids = markedProcesses(mark);
  for (let waitedMs = 0; pids.length > 0 && waitedMs < patienceMs; waitedMs += 50) {
    await pause(50);
    pids = markedProcesses(mark);
  }
  return pids;
}

/** A process that is dead and waits for its parent to notice shows no environment. */
function markedProcesses(mark: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").includes(mark);
      } catch {
        return false;
      }
    })
    .map(Number);
}

export function newFolder(): string {
  return mkdtempSync(join(tmpdir(), "holdfast-e2e-"));
}

export function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

/** The files of a folder by name. */
export function filesOf(folder: string): Map<string, Buffer> {
  const names = readdirSync(folder).sort();
  return new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
}

/** What is missing, too many, or not equal byte for byte, with the place where it first differs. */
export function differences(expected: ReadonlyMap<string, Buffer>, found: ReadonlyMap<string, Buffer>): string[] {
  const names = new Set([...expected.keys(), ...found.keys()]);
  return [...names].flatMap((name) => {
    const [left, right] = [expected.get(name), found.get(name)];
    if (left === undefined) return [`${name} is too many`];
    if (right === undefined) return [`${name} is missing`];
    if (left.equals(right)) return [];
    let place = 0;
    while (left[place] === right[place]) place++;
    const excerpt = (bytes: Buffer): string => JSON.stringify(bytes.toString("latin1", place - 30, place + 50));
    return [`${name} differs at byte ${place}: ${excerpt(left)} became ${excerpt(right)}`];
  });
}
