/**
 * Every history of a script: its power goes at every step, leaving every disk that it may; and some of these recoveries
 * lose their power in turn, and some of those. What the first steps of a script have in common with a shorter script is
 * left to that one, for a run is the same up to there.
 */

import { createHash } from "node:crypto";
import { SimDisk } from "../../src/disk/index.ts";
import {
  type History,
  printedHistory,
  type Recovered,
  recoverOn,
  recoverUntil,
  type Stop,
  scriptUntil,
  verdict,
} from "./history.ts";
import type { Ledger } from "./ledger.ts";
import { type Operation, operations, runScript, type Script } from "./workload.ts";

export interface Effort {
  /** Of the disks that one power cut may leave, how many at most. */
  readonly survivors: number;
  /** Of those, how many of which the recovery is stopped too, at each of its steps. */
  readonly nested: number;
  /** For scripts of up to so many operations. Where only the process died, recovery is stopped in turn after all. */
  readonly nestedOperations: number;
  /** Of the disks that are left then, how many at each step; and at each step of their recovery. */
  readonly nestedSurvivors: number;
  /** Of those, the share whose recovery is stopped once more. */
  readonly nestedTwice: number;
  readonly random: () => number;
}

export interface Violation {
  readonly history: History;
  readonly problem: string;
}

export function printedViolation({ history, problem }: Violation): string {
  return `${printedHistory(history)}\n    ${problem}`;
}

/** A disk that was left; `choices` as in the stop that left it. */
interface Found {
  readonly disk: SimDisk;
  readonly print: string;
  readonly choices?: readonly number[];
}

/** Recoveries that are kept to be looked up: the same disk turns up in many histories. */
const recoveriesLimit = 200_000;

export class Exploration {
  readonly violations: Violation[] = [];
  /** Disks that a history left, and whose log was found to hold what it has to. */
  states = 0;
  /** Of those, how many were not the same as one before: only these are recovered, the outcome is the same. */
  recoveries = 0;
  scripts = 0;
  stops = 0;
  readonly #effort: Effort;
  readonly #violationLimit: number;
  readonly #recovered = new Map<string, Recovered | Error>();
  readonly #nestedBefore = new Set<string>();

  constructor(effort: Effort, violationLimit = 5) {
    this.#effort = effort;
    this.#violationLimit = violationLimit;
  }

  get isOver(): boolean {
    return this.violations.length >= this.#violationLimit;
  }

  async script(script: Script): Promise<void> {
    this.scripts++;
    const disk = new SimDisk();
    const { stepsAfter, ledger, failures } = await runScript(disk, script);
    const last = stepsAfter.at(-1) ?? 0;
    if (ledger.problem !== undefined || failures.length > 0)
      this.#note(script, [{ step: Number.POSITIVE_INFINITY }], ledger.problem ?? failures.map(String).join("; "));
    // Where it goes on from a shorter script, that one has been there.
    const from = script.atOnce === true ? (stepsAfter[0] ?? 0) : (stepsAfter.at(-2) ?? -1);
    for (let step = from + 2; step <= last + 1 && !this.isOver; step++) await this.#stopAt(script, step);
  }

  async #stopAt(script: Script, step: number): Promise<void> {
    this.stops++;
    const { disk, ledger, problem } = await scriptUntil(script, step);
    if (problem !== undefined) return this.#note(script, [{ step }], problem);
    // The process dies, the next one recovers what is not durable yet, and then the power goes.
    const killed = { disk: disk.restarted(), print: `killed ${fingerprint(disk)}` };
    await this.#check(script, ledger, [{ step }], killed);
    await this.#nested(script, ledger, [{ step }], killed);
    const found = this.#fewOf(disk, this.#effort.survivors);
    const { nested, nestedOperations } = this.#effort;
    const isNested = nested > 0 && script.workload.length <= nestedOperations;
    const nestedEvery = Math.max(1, Math.floor(found.length / Math.max(1, nested)));
    for (const [place, one] of found.entries()) {
      if (this.isOver) return;
      const stops = [stopOf(step, one)];
      await this.#check(script, ledger, stops, one);
      if (isNested && place % nestedEvery === 0) await this.#nested(script, ledger, stops, one);
    }
  }

  /** Lets the recovery of what this history left be stopped at each of its steps, and some such recoveries in turn. */
  async #nested(script: Script, ledger: Ledger, stops: readonly Stop[], found: Found): Promise<void> {
    const depth = stops.length;
    const key = `${script.format} ${script.durability} ${depth} ${found.print} ${ledger.signature}`;
    if (this.#effort.nestedSurvivors === 0 || this.#nestedBefore.has(key)) return;
    this.#nestedBefore.add(key);
    const points: { readonly ledger: Ledger; readonly found: readonly Found[] }[] = [];
    const disk = found.disk.restarted();
    const look = (): readonly Found[] => this.#fewOf(disk, this.#effort.nestedSurvivors);
    disk.beforeStep = () => points.push({ ledger, found: look() });
    const after = await recoverUntil({ disk, ledger, problem: undefined }, script, Number.POSITIVE_INFINITY, depth);
    if (after.problem !== undefined)
      return this.#note(script, [...stops, { step: Number.POSITIVE_INFINITY }], after.problem);
    points.push({ ledger: after.ledger, found: look() });
    for (const [place, point] of points.entries()) {
      for (const one of point.found) {
        if (this.isOver) return;
        const further = [...stops, stopOf(place + 1, one)];
        await this.#check(script, point.ledger, further, one);
        const isDeeper = depth < 2 && this.#effort.random() < this.#effort.nestedTwice;
        if (isDeeper) await this.#nested(script, point.ledger, further, one);
      }
    }
  }

  async #check(script: Script, ledger: Ledger, stops: readonly Stop[], found: Found): Promise<void> {
    this.states++;
    const key = `${script.format} ${script.durability} ${stops.length} ${found.print}`;
    let recovered = this.#recovered.get(key);
    if (recovered === undefined) {
      this.recoveries++;
      recovered = await recoverOn(found.disk.restarted(), script, stops.length);
      if (this.#recovered.size >= recoveriesLimit) this.#recovered.clear();
      this.#recovered.set(key, recovered);
    }
    const problem = verdict(recovered, ledger);
    if (problem !== undefined) this.#note(script, stops, problem);
  }

  /** Which disks to look at: no two with the same files. */
  #fewOf(disk: SimDisk, limit: number): Found[] {
    const seen = new Set<string>();
    const found: Found[] = [];
    for (const survivor of disk.survivors({ limit, random: this.#effort.random })) {
      const print = fingerprint(survivor.disk);
      if (seen.has(print)) continue;
      seen.add(print);
      found.push({ ...survivor, print });
    }
    return found;
  }

  #note({ workload, atOnce, format, durability }: Script, stops: readonly Stop[], problem: string): void {
    const history = { workload, format, durability, stops, ...(atOnce === true ? { atOnce } : {}) };
    this.violations.push({ history, problem });
  }
}

function stopOf(step: number, { choices }: Found): Stop {
  return choices === undefined ? { step } : { step, choices };
}

function fingerprint(disk: SimDisk): string {
  const hash = createHash("sha1");
  for (const { path, bytes } of disk.files()) hash.update(`${path}:${bytes.length}:`).update(bytes);
  return hash.digest("base64");
}

/** All workloads of up to so many operations, the shorter ones first. */
export function* workloads(limit: number): Generator<readonly Operation[]> {
  let shorter: (readonly Operation[])[] = [[]];
  yield [];
  for (let length = 1; length <= limit; length++) {
    shorter = shorter.flatMap((before) => operations.map((operation) => [...before, operation]));
    yield* shorter;
  }
}
