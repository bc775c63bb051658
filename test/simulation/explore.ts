/**
 * Every history of a script: its power goes at every step, leaving every disk that it may; and some of these recoveries
 * lose their power in turn, and some of those. What the first steps of a script have in common with a shorter script is
 * left to that one, for a run is the same up to there.
 */

import { createHash } from "node:crypto";
import { SimDisk } from "../../src/disk/index.ts";
import {
  type History,
  left,
  printedHistory,
  type Recovered,
  type Remains,
  recoverOn,
  recoverUntil,
  type Stop,
  scriptUntil,
  verdict,
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

interface Found {
  readonly choices: readonly number[];
  readonly print: string;
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
    const remains = await scriptUntil(script, step);
    if (remains.problem !== undefined) return this.#note(script, [{ step }], remains.problem);
    // The process dies, the next one recovers what is not durable yet, and then the power goes.
    const print = fingerprint(remains.disk);
    await this.#check(remains, script, [{ step }], print);
    await this.#nested(remains, script, [{ step }], `killed ${print}`);
    const found = this.#fewOf(remains.disk, this.#effort.survivors);
    const nestedEvery = Math.max(1, Math.floor(found.length / Math.max(1, this.#effort.nested)));
    for (const [place, { choices, print }] of found.entries()) {
      if (this.isOver) return;
      await this.#check(remains, script, [{ step, choices }], print);
      if (this.#effort.nested > 0 && place % nestedEvery === 0)
        await this.#nested(remains, script, [{ step, choices }], print);
    }
  }

  /** Stops the recovery of what this history left at each of its steps, and that recovery at one of its own. */
  async #nested(before: Remains, script: Script, stops: readonly Stop[], print: string): Promise<void> {
    const lastStop = stops.at(-1);
    const depth = stops.length;
    const key = `${script.format} ${script.durability} ${depth} ${print} ${before.ledger.signature}`;
    if (lastStop === undefined || this.#effort.nestedSurvivors === 0 || this.#nestedBefore.has(key)) return;
    this.#nestedBefore.add(key);
    for (let step = 1; !this.isOver; step++) {
      const after = await recoverUntil({ ...before, disk: left(before.disk, lastStop) }, script, step, depth);
      const isDone = !after.disk.hasCrashed;
      if (after.problem !== undefined) return this.#note(script, [...stops, { step }], after.problem);
      const found = this.#fewOf(after.disk, this.#effort.nestedSurvivors);
      for (const { choices, print } of found) await this.#check(after, script, [...stops, { step, choices }], print);
      const deeper = found[Math.floor(this.#effort.random() * found.length)];
      if (depth < 2 && deeper !== undefined && this.#effort.random() < 0.25)
        await this.#nested(after, script, [...stops, { step, choices: deeper.choices }], deeper.print);
      if (isDone) return;
    }
  }

  async #check({ disk, ledger }: Remains, script: Script, stops: readonly Stop[], print: string): Promise<void> {
    const stop = stops.at(-1);
    if (stop === undefined || this.isOver) return;
    this.states++;
    const key = `${script.format} ${script.durability} ${stops.length} ${print}`;
    let recovered = this.#recovered.get(key);
    if (recovered === undefined) {
      this.recoveries++;
      recovered = await recoverOn(left(disk, stop), script, stops.length);
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
      found.push({ choices: survivor.choices, print });
    }
    return found;
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
