/**
 * Each kind of fault, at each occasion, while a script runs and while its log is recovered. What fails must say so with
 * a typed error; what was acknowledged must be there once the device works again, after the death of the process and
 * after a power cut. Where the device itself lost or changed bytes, a typed error will do, and so will a torn tail that
 * is reported.
 */

import {
  type Fault,
  failList,
  failOpen,
  failRead,
  failRemove,
  failRename,
  failSync,
  failSyncFolder,
  failTruncate,
  failWrite,
  misdirectedWrite,
  noSpaceAfter,
  shortRead,
} from "../../src/disk/simulated/fault.ts";
import type { Violation } from "./explore.ts";
import { left, type Remains, recoverOn, recoverUntil, type Stop, scriptUntil, verdict } from "./history.ts";
import type { Script } from "./workload.ts";

type FaultyScript = Script & { readonly faults?: readonly Fault[] };

interface Row {
  readonly fault: (occurrence: number) => Fault;
  /**
   * The device is wrong and says nothing, or the system shows names to all who ask that it has lost already: a typed
   * error will do, and so will a torn end that is reported.
   */
  readonly lies?: true;
  /** Only the process dies: with the power, all that could tell of the fault may go too. */
  readonly noPowerCut?: true;
}

export const faultRows: Readonly<Record<string, Row>> = {
  "open fails": { fault: (occurrence) => failOpen({ occurrence }) },
  "list fails": { fault: (occurrence) => failList({ occurrence }) },
  "read fails": { fault: (occurrence) => failRead({ occurrence }) },
  "read ends early": { fault: (occurrence) => shortRead({ occurrence, bytes: 700 }) },
  "read finds nothing": { fault: (occurrence) => shortRead({ occurrence }) },
  "write fails": { fault: (occurrence) => failWrite({ occurrence }) },
  "write fails half way": { fault: (occurrence) => failWrite({ occurrence, bytes: 300 }) },
  "write finds no space": { fault: (occurrence) => failWrite({ occurrence, bytes: 100, code: "ENOSPC" }) },
  "writes fail from then on": { fault: (occurrence) => failWrite({ occurrence, forever: true }) },
  "sync fails": { fault: (occurrence) => failSync({ occurrence }) },
  "sync fails, the next one lies": { fault: (occurrence) => failSync({ occurrence, lies: true }) },
  "folder's sync fails": { fault: (occurrence) => failSyncFolder({ occurrence }) },
  "folder's sync fails, the next one lies": {
    fault: (occurrence) => failSyncFolder({ occurrence, lies: true }),
    lies: true,
  },
  "rename fails": { fault: (occurrence) => failRename({ occurrence }) },
  "remove fails": { fault: (occurrence) => failRemove({ occurrence }) },
  "truncate fails": { fault: (occurrence) => failTruncate({ occurrence }) },
  "space ends": { fault: (occurrence) => noSpaceAfter((occurrence - 1) * 300) },
  "write lands at the start": {
    fault: (occurrence) => misdirectedWrite({ occurrence, offset: 0 }),
    lies: true,
    noPowerCut: true,
  },
  "write lands a sector off": {
    fault: (occurrence) => misdirectedWrite({ occurrence, offset: 1_024 }),
    lies: true,
    noPowerCut: true,
  },
  "write lands far behind": {
    fault: (occurrence) => misdirectedWrite({ occurrence, offset: 16_384 }),
    lies: true,
    noPowerCut: true,
  },
};

/** More occasions than any script here has. */
const occurrenceLimit = 80;
const end = Number.POSITIVE_INFINITY;

export class FaultRun {
  readonly violations: Violation[] = [];
  states = 0;
  /** Of each row, how often its fault struck. */
  readonly struck = new Map<string, number>();
  readonly #survivors: number;
  readonly #random: () => number;

  readonly #violationLimit: number;

  constructor(survivors: number, random: () => number, violationLimit = 5) {
    this.#survivors = survivors;
    this.#random = random;
    this.#violationLimit = violationLimit;
  }

  get isOver(): boolean {
    return this.violations.length >= this.#violationLimit;
  }

  async script(script: Script): Promise<void> {
    for (const [name, row] of Object.entries(faultRows)) {
      await this.#during(script, name, row);
      if (row.lies !== true) await this.#afterwards(script, name, row);
    }
  }

  async #during(script: Script, name: string, row: Row): Promise<void> {
    const { lies } = row;
    for (let occurrence = 1; occurrence <= occurrenceLimit && !this.isOver; occurrence++) {
      const faulty = { ...script, faults: [row.fault(occurrence)], ...(lies === undefined ? {} : { lies }) };
      const remains = await scriptUntil(faulty, end, { faults: faulty.faults });
      if (!this.#count(name, remains)) return;
      if (remains.problem !== undefined) this.#note(faulty, [{ step: end }], remains.problem);
      else await this.#check(faulty, remains, [{ step: end }], row);
    }
  }

  /** The script runs well, and the recovery meets the fault. */
  async #afterwards(script: Script, name: string, row: Row): Promise<void> {
    const before = await scriptUntil(script, end);
    for (let occurrence = 1; occurrence <= occurrenceLimit && !this.isOver; occurrence++) {
      const stop = { step: end, faults: [row.fault(occurrence)] };
      const remains = await recoverUntil({ ...before, disk: left(before.disk, stop) }, script, end, 1);
      if (!this.#count(name, remains)) return;
      const stops = [stop, { step: end }];
      if (remains.problem !== undefined) this.#note(script, stops, remains.problem);
      else await this.#check(script, remains, stops, row);
    }
  }

  /** False where the fault found nothing to strike: so it will be with every later occasion. */
  #count(name: string, { disk }: Remains): boolean {
    if (disk.faultsStruck === 0) return false;
    this.struck.set(name, (this.struck.get(name) ?? 0) + 1);
    return true;
  }

  async #check(script: FaultyScript, remains: Remains, stops: readonly Stop[], row: Row): Promise<void> {
    await this.#checkOne(script, remains, stops);
    if (row.noPowerCut === true) return;
    await this.#afterPowerCut(script, remains, stops);
    // The next process reads what may only be in the cache: once it has said so, a power cut must not take it back.
    const next = [...stops, { step: end }];
    const disk = left(remains.disk, { step: end });
    const again = await recoverUntil({ ...remains, disk }, script, end, stops.length);
    if (again.problem === undefined) await this.#afterPowerCut(script, again, next);
    else if (row.lies !== true) this.#note(script, next, again.problem);
  }

  async #afterPowerCut(script: FaultyScript, remains: Remains, stops: readonly Stop[]): Promise<void> {
    const last = { ...stops.at(-1), step: end };
    for (const { choices } of remains.disk.survivors({ limit: this.#survivors, random: this.#random }))
      await this.#checkOne(script, remains, [...stops.slice(0, -1), { ...last, choices }]);
  }

  async #checkOne(script: FaultyScript, remains: Remains, stops: readonly Stop[]): Promise<void> {
    const stop = stops.at(-1);
    if (stop === undefined || this.isOver) return;
    this.states++;
    const disk = left(remains.disk, stop);
    const problem = verdict(await recoverOn(disk, script, stops.length), remains.ledger, script.lies);
    if (problem !== undefined) this.#note(script, stops, problem);
  }

  #note(script: FaultyScript, stops: readonly Stop[], problem: string): void {
    this.violations.push({ history: { ...script, stops }, problem });
  }
}
