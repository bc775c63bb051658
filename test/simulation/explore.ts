/**
 * Every history of a script: its power goes at every step, leaving every disk that it may; and some of these recoveries
 * lose their power in turn, and some of those. What the first steps of a script have in common with a shorter script is
 * left to that one, for a run is the same up to there.
 */

import { createHash } from "node:crypto";
import { SimDisk } from "../../src/disk/index.ts";
import {
  checkRemains,
  type History,
  left,
  printedHistory,
  type Remains,
  recoverUntil,
  type Stop,
  scriptUntil,
} from "./history.ts";
import { type Operation, operations, runScript, type Script } from "./workload.ts";

export interface Effort {
  /** Of the disks that one power cut may leave, how many at most. */
  readonly survivors: number;
  /** Of those, how many of which the recovery is stopped too, at each of its steps. */
  readonly nested: number;
  /** Of the disks that are left then, how many at each step; and at each step of their recovery. */
  readonly nestedSurvivors: number;
  readonly random: () => number;
}

export interface Violation {
  readonly history: History;
  readonly problem: string;
}

export function printedViolation({ history, problem }: Violation): string {
  return `${printedHistory(history)}\n    ${problem}`;
}

export class Exploration {
  readonly violations: Violation[] = [];
  /** Disks on which a log was recovered and checked. */
  states = 0;
  scripts = 0;
  stops = 0;
  readonly #effort: Effort;
  readonly #violationLimit: number;

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
    const remains = await scriptUntil(script, step);
    if (remains.problem !== undefined) return this.#note(script, [{ step }], remains.problem);
    await this.#check(remains, script, [{ step }]);
    // The process dies, the next one recovers what is not durable yet, and then the power goes.
    await this.#nested(remains, script, [{ step }]);
    const chosen = this.#fewOf(remains.disk, this.#effort.survivors);
    const nestedEvery = Math.max(1, Math.floor(chosen.length / Math.max(1, this.#effort.nested)));
    for (const [place, choices] of chosen.entries()) {
      if (this.isOver) return;
      await this.#check(remains, script, [{ step, choices }]);
      if (this.#effort.nested > 0 && place % nestedEvery === 0)
        await this.#nested(remains, script, [{ step, choices }]);
    }
  }

  /** Stops the recovery of what this history left at each of its steps, and that recovery at one of its own. */
  async #nested(before: Remains, script: Script, stops: readonly Stop[]): Promise<void> {
    const lastStop = stops.at(-1);
    if (lastStop === undefined || this.#effort.nestedSurvivors === 0) return;
    const depth = stops.length;
    for (let step = 1; !this.isOver; step++) {
      const after = await recoverUntil({ ...before, disk: left(before.disk, lastStop) }, script, step, depth);
      const isDone = !after.disk.hasCrashed;
      if (after.problem !== undefined) return this.#note(script, [...stops, { step }], after.problem);
      const chosen = this.#fewOf(after.disk, this.#effort.nestedSurvivors);
      for (const choices of chosen) await this.#check(after, script, [...stops, { step, choices }]);
      const deeper = chosen[Math.floor(this.#effort.random() * chosen.length)];
      if (depth < 2 && deeper !== undefined && this.#effort.random() < 0.25)
        await this.#nested(after, script, [...stops, { step, choices: deeper }]);
      if (isDone) return;
    }
  }

  async #check(remains: Remains, script: Script, stops: readonly Stop[]): Promise<void> {
    const stop = stops.at(-1);
    if (stop === undefined || this.isOver) return;
    this.states++;
    const disk = left(remains.disk, stop);
    const problem = await checkRemains({ ...remains, disk }, script, stops.length);
    if (problem !== undefined) this.#note(script, stops, problem);
  }

  /** Which disks to look at: no two with the same files. */
  #fewOf(disk: SimDisk, limit: number): (readonly number[])[] {
    const seen = new Set<string>();
    const chosen: (readonly number[])[] = [];
    for (const survivor of disk.survivors({ limit, random: this.#effort.random })) {
      const print = fingerprint(survivor.disk);
      if (seen.has(print)) continue;
      seen.add(print);
      chosen.push(survivor.choices);
    }
    return chosen;
  }

  #note({ workload, atOnce, format, durability }: Script, stops: readonly Stop[], problem: string): void {
    const history = { workload, format, durability, stops, ...(atOnce === true ? { atOnce } : {}) };
    this.violations.push({ history, problem });
  }
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
