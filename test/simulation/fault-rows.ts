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
import { checkRemains, left, type Remains, recoverUntil, type Stop, scriptUntil } from "./history.ts";
import type { Script } from "./workload.ts";

type FaultyScript = Script & { readonly faults?: readonly Fault[] };

type FaultAt = (occurrence: number) => Fault;

export const faultRows: Readonly<Record<string, FaultAt>> = {
  "open fails": (occurrence) => failOpen({ occurrence }),
  "list fails": (occurrence) => failList({ occurrence }),
  "read fails": (occurrence) => failRead({ occurrence }),
  "read ends early": (occurrence) => shortRead({ occurrence, bytes: 700 }),
  "read finds nothing": (occurrence) => shortRead({ occurrence }),
  "write fails": (occurrence) => failWrite({ occurrence }),
  "write fails half way": (occurrence) => failWrite({ occurrence, bytes: 300 }),
  "write finds no space": (occurrence) => failWrite({ occurrence, bytes: 100, code: "ENOSPC" }),
  "writes fail from then on": (occurrence) => failWrite({ occurrence, forever: true }),
  "sync fails": (occurrence) => failSync({ occurrence }),
  "sync fails, the next one lies": (occurrence) => failSync({ occurrence, lies: true }),
  "folder's sync fails": (occurrence) => failSyncFolder({ occurrence }),
  "rename fails": (occurrence) => failRename({ occurrence }),
  "remove fails": (occurrence) => failRemove({ occurrence }),
  "truncate fails": (occurrence) => failTruncate({ occurrence }),
  "space ends": (occurrence) => noSpaceAfter((occurrence - 1) * 300),
};

/** The device itself is wrong and says nothing, or the system shows names to all who ask that it has lost already. */
export const damageRows: Readonly<Record<string, FaultAt>> = {
  "folder's sync fails, the next one lies": (occurrence) => failSyncFolder({ occurrence, lies: true }),
  "write lands at the start": (occurrence) => misdirectedWrite({ occurrence, offset: 0 }),
  "write lands a sector off": (occurrence) => misdirectedWrite({ occurrence, offset: 1_024 }),
  "write lands far behind": (occurrence) => misdirectedWrite({ occurrence, offset: 16_384 }),
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
    for (const [row, faultAt] of Object.entries(faultRows)) {
      await this.#during(script, row, faultAt, false);
      await this.#afterwards(script, row, faultAt);
    }
    for (const [row, faultAt] of Object.entries(damageRows)) await this.#during(script, row, faultAt, true);
  }

  async #during(script: Script, row: string, faultAt: FaultAt, isDamage: boolean): Promise<void> {
    for (let occurrence = 1; occurrence <= occurrenceLimit && !this.isOver; occurrence++) {
      const faults = [faultAt(occurrence)];
      const remains = await scriptUntil(script, end, { faults });
      if (!this.#count(row, remains)) return;
      if (remains.problem !== undefined && !isDamage)
        this.#note({ ...script, faults }, [{ step: end }], remains.problem);
      else await this.#check({ ...script, faults }, remains, [{ step: end }], isDamage);
    }
  }

  /** The script runs well, and the recovery meets the fault. */
  async #afterwards(script: Script, row: string, faultAt: FaultAt): Promise<void> {
    const before = await scriptUntil(script, end);
    for (let occurrence = 1; occurrence <= occurrenceLimit && !this.isOver; occurrence++) {
      const faults = [faultAt(occurrence)];
      const stop = { step: end, faults };
      const remains = await recoverUntil({ ...before, disk: left(before.disk, stop) }, script, end, 1);
      if (!this.#count(row, remains)) return;
      const stops = [stop, { step: end }];
      if (remains.problem !== undefined) this.#note(script, stops, remains.problem);
      else await this.#check(script, remains, stops, false);
    }
  }

  /** False where the fault found nothing to strike: so it will be with every later occasion. */
  #count(row: string, { disk }: Remains): boolean {
    if (disk.faultsStruck === 0) return false;
    this.struck.set(row, (this.struck.get(row) ?? 0) + 1);
    return true;
  }

  async #check(script: FaultyScript, remains: Remains, stops: readonly Stop[], isDamage: boolean): Promise<void> {
    await this.#checkOne(script, remains, stops, isDamage);
    await this.#afterPowerCut(script, remains, stops, isDamage);
    // The next process reads what may only be in the cache: once it has said so, a power cut must not take it back.
    const next = [...stops, { step: end }];
    const again = await recoverUntil(
      { ...remains, disk: left(remains.disk, { step: end }) },
      script,
      end,
      stops.length,
    );
    if (again.problem === undefined) await this.#afterPowerCut(script, again, next, isDamage);
    else if (!isDamage) this.#note(script, next, again.problem);
  }

  async #afterPowerCut(
    script: FaultyScript,
    remains: Remains,
    stops: readonly Stop[],
    isDamage: boolean,
  ): Promise<void> {
    const last = { ...stops.at(-1), step: end };
    for (const { choices } of remains.disk.survivors({ limit: this.#survivors, random: this.#random }))
      await this.#checkOne(script, remains, [...stops.slice(0, -1), { ...last, choices }], isDamage);
  }

  async #checkOne(script: FaultyScript, remains: Remains, stops: readonly Stop[], isDamage: boolean): Promise<void> {
    const stop = stops.at(-1);
    if (stop === undefined || this.isOver) return;
    this.states++;
    const disk = left(remains.disk, stop);
    const problem = await checkRemains({ ...remains, disk }, script, stops.length, isDamage);
    if (problem !== undefined) this.#note(script, stops, problem);
  }

  #note(script: FaultyScript, stops: readonly Stop[], problem: string): void {
    this.violations.push({ history: { ...script, stops }, problem });
  }
}
