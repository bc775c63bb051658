/**
 * One history of a log: a script, where the power went or the process died, what was left, how recovery fared (and was
 * stopped in turn). A history is a value that prints as an expression; a test can play it again.
 */

import { HoldfastError, utf8 } from "../../src/base/index.ts";
import { SimDisk, type SimDiskOptions } from "../../src/disk/index.ts";
import type { Fault } from "../../src/disk/simulated/fault.ts";
import type { Entry, Ledger } from "./ledger.ts";
import { openLog, runScript, type Script, type Settings } from "./workload.ts";

export interface Stop {
  /** In place of this step of the disk; beyond the last one, when all is done. */
  readonly step: number;
  /** Which of the disks that the power cut may leave; undefined where only the process died. */
  readonly choices?: readonly number[];
  /** What goes wrong on the disk after that. */
  readonly faults?: readonly Fault[];
}

export interface History extends Script {
  /** The first stops the script, each further one the recovery after the one before. */
  readonly stops: readonly Stop[];
  readonly faults?: readonly Fault[];
}

/** A disk that was left behind, and what the log on it has to hold. */
export interface Remains {
  readonly disk: SimDisk;
  readonly ledger: Ledger;
  readonly problem: string | undefined;
}

/** Runs a script up to a step, on a new disk. */
export async function scriptUntil(script: Script, step: number, options: SimDiskOptions = {}): Promise<Remains> {
  const disk = new SimDisk(options);
  disk.crashAtStep(step);
  const { ledger, failures } = await runScript(disk, script);
  // Without a fault nothing may fail, and with one only in a way that says what it was.
  const wrong = options.faults === undefined ? failures : failures.filter((failure) => !HoldfastError.is(failure));
  const failed = wrong.length === 0 ? undefined : `an operation failed: ${wrong.map(String).join("; ")}`;
  return { disk, ledger, problem: ledger.problem ?? failed };
}

/** Opens the log on what was left, up to a step. `depth` counts the recoveries of a history. */
export async function recoverUntil(remains: Remains, script: Script, step: number, depth: number): Promise<Remains> {
  const { disk } = remains;
  disk.crashAtStep(step);
  try {
    const { entries } = await openLog(disk, script, { generation: 100 * depth });
    const problem = remains.ledger.refusal(entries);
    return { disk, ledger: remains.ledger.settled(entries), problem: problem && `recovery ${depth}: ${problem}` };
  } catch (error) {
    const isExpected = disk.hasCrashed || (disk.faultsStruck > 0 && HoldfastError.is(error));
    if (isExpected) return { disk, ledger: remains.ledger, problem: undefined };
    return { disk, ledger: remains.ledger, problem: `recovery ${depth} refused the log: ${String(error)}` };
  }
}

/** How a log fared on a disk: opened, appended to, closed and opened again. Depends on the disk and the depth alone. */
export interface Recovered {
  readonly entries: readonly Entry[];
  readonly isTorn: boolean;
  readonly appended: Entry;
  readonly entriesAfter: readonly Entry[];
}

export async function recoverOn(disk: SimDisk, settings: Settings, depth: number): Promise<Recovered | Error> {
  try {
    const first = await openLog(disk, settings, { generation: 100 * depth });
    const text = `after${depth}`;
    const sequence = await first.wal.append(utf8(text));
    await first.wal.close();
    const second = await openLog(disk, settings, { generation: 100 * depth + 1 });
    const isTorn = first.wal.recovery.torn !== undefined;
    return { entries: first.entries, isTorn, appended: { sequence, text }, entriesAfter: second.entries };
  } catch (error) {
    return error as Error;
  }
}

/**
 * What is wrong with a recovery: the log must hold what it has to, take an entry more, and hold the same and that entry
 * when it is opened again. Where the device itself `lies`, it may be refused, or have a torn end.
 */
export function verdict(recovered: Recovered | Error, ledger: Ledger, lies = false): string | undefined {
  if (recovered instanceof Error) {
    if (lies && HoldfastError.is(recovered)) return undefined;
    return `the log cannot be opened or written any more: ${String(recovered)}`;
  }
  const { entries, isTorn, appended, entriesAfter } = recovered;
  const isTornEnd = lies && isTorn && ledger.isPrefix(entries);
  const problem = isTornEnd ? undefined : ledger.refusal(entries);
  if (problem !== undefined) return problem;
  const settled = ledger.settled(entries);
  settled.submit([settled.giveOut(appended)]).acknowledged = true;
  return settled.problem ?? settled.refusal(entriesAfter)?.replace(/^/, "opened again: ");
}

export function left(disk: SimDisk, { choices, faults = [] }: Stop): SimDisk {
  return choices === undefined ? disk.restarted({ faults }) : disk.survivor(choices, { faults });
}

/** Plays a history; what is wrong at its end, or on the way, or undefined. */
export async function play(history: History): Promise<string | undefined> {
  const [first, ...further] = history.stops;
  if (first === undefined) return "a history has a stop";
  const { faults } = history;
  let remains = await scriptUntil(history, first.step, faults === undefined ? {} : { faults });
  let stop = first;
  for (const [place, next] of further.entries()) {
    if (remains.problem !== undefined) return remains.problem;
    const disk = left(remains.disk, stop);
    remains = await recoverUntil({ ...remains, disk }, history, next.step, place + 1);
    stop = next;
  }
  if (remains.problem !== undefined) return remains.problem;
  return verdict(
    await recoverOn(left(remains.disk, stop), history, history.stops.length),
    remains.ledger,
    history.lies,
  );
}

/** For a test: `expect(await play(…)).toBeUndefined()`. */
export function printedHistory({ workload, atOnce, format, durability, stops, faults, lies }: History): string {
  const faulty = (list: readonly Fault[] = []): string[] => (list.length === 0 ? [] : [`faults: [${list.join(", ")}]`]);
  const stopTexts = stops.map((stop) => {
    const choices = stop.choices === undefined ? [] : [`choices: [${stop.choices.join(", ")}]`];
    return `{ ${[`step: ${stop.step}`, ...choices, ...faulty(stop.faults)].join(", ")} }`;
  });
  const parts = [
    `workload: [${workload.map((name) => JSON.stringify(name)).join(", ")}]`,
    ...(atOnce === true ? ["atOnce: true"] : []),
    `format: "${format}"`,
    `durability: "${durability}"`,
    ...faulty(faults),
    ...(lies === true ? ["lies: true"] : []),
    `stops: [${stopTexts.join(", ")}]`,
  ];
  return `await play({ ${parts.join(", ")} })`;
}
