/**
 * A compilation that is killed at one instant and started again, beside one that nothing disturbed.
 *
 * What must hold: it finishes, no unit was compiled twice by what the store says, the files are the same byte for
 * byte, and no process is left of the one that was killed.
 */
import { join } from "node:path";
import { NodeDisk } from "../../src/disk/index.ts";
import { readLedger, storeFolder } from "../../src/forge/index.ts";
import { differences, filesOf, holdfast, leftBehind, newFolder, removeFolder } from "./command-line.ts";

export interface Undisturbed {
  readonly elapsedMs: number;
  readonly units: number;
  readonly files: ReadonlyMap<string, Buffer>;
}

export interface Trial {
  readonly instantMs: number;
  /** False where the process had ended before the instant. */
  readonly killed: boolean;
  /** Units compiled and stored when the kill came. */
  readonly unitsBefore: number;
  readonly unitsAfter: number;
  /** Of one unit, by what the store says at the end. */
  readonly mostCompilations: number;
  readonly units: number;
  readonly exitCode: number | null;
  readonly complaint: string;
  readonly differentFiles: readonly string[];
  readonly leftBehind: readonly number[];
}

export async function compileUndisturbed(model: string): Promise<Undisturbed> {
  const folder = newFolder();
  try {
    const run = await compile(model, folder);
    if (run.exitCode !== 0) throw new Error(`the undisturbed run failed: ${run.stderr}`);
    const units = (await compilations(folder)).size;
    return { elapsedMs: run.elapsedMs, units, files: filesOf(join(folder, "out")) };
  } finally {
    removeFolder(folder);
  }
}

export async function killAt(model: string, instantMs: number, undisturbed: Undisturbed): Promise<Trial> {
  const folder = newFolder();
  try {
    const first = await compile(model, folder, instantMs);
    const orphans = await leftBehind(first.mark);
    const unitsBefore = sum(await compilations(folder));
    const second = await compile(model, folder);
    const counts = await compilations(folder);
    return {
      instantMs,
      killed: first.signal === "SIGKILL",
      unitsBefore,
      unitsAfter: sum(counts) - unitsBefore,
      mostCompilations: Math.max(0, ...counts.values()),
      units: counts.size,
      exitCode: second.exitCode,
      complaint: second.exitCode === 0 ? "" : second.stderr,
      differentFiles:
        second.exitCode === 0 ? differences(undisturbed.files, filesOf(join(folder, "out"))) : ["there are no files"],
      leftBehind: [...orphans, ...(await leftBehind(second.mark))],
    };
  } finally {
    removeFolder(folder);
  }
}

function compile(model: string, folder: string, killAfterMs?: number) {
  const args = ["compile", model, "--state", join(folder, "state"), "--out", join(folder, "out"), "--cells", "2"];
  return holdfast([...args, "--quiet"], killAfterMs === undefined ? {} : { killAfterMs });
}

/** How often each unit was compiled, by what the store says; a state folder without a store says nothing. */
async function compilations(folder: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const disk = new NodeDisk();
  const store = storeFolder(join(folder, "state"));
  if (!(await disk.stat(store))) return counts;
  for (const { key, compilations } of (await readLedger(disk, store)).units()) counts.set(key, compilations);
  return counts;
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

/** What is wrong with a trial, one thing a line; empty where nothing is. */
export function complaintsOf(trial: Trial, undisturbed: Undisturbed): string[] {
  return [
    ...(trial.exitCode === 0 ? [] : [`the run after the kill ended with ${trial.exitCode}: ${trial.complaint}`]),
    ...(trial.mostCompilations <= 1 ? [] : [`a unit was compiled ${trial.mostCompilations} times`]),
    ...(trial.units === undisturbed.units ? [] : [`${trial.units} units, not ${undisturbed.units}`]),
    ...trial.differentFiles,
    ...trial.leftBehind.map((pid) => `process ${pid} is left`),
  ];
}
