/**
 * Every history of a script of checkpoints: the power goes at each step, leaving every disk that it may; the program
 * dies and starts again on what is there; and the power goes in turn at each step of that. Each time, what comes back
 * is the last acknowledged version or a newer whole one, nothing has to be passed over, nothing half done is left, and
 * no version is used twice.
 */

import { createHash } from "node:crypto";
import { faults, SimDisk } from "../../src/disk/index.ts";
import type { Fault } from "../../src/disk/simulated/fault.ts";
import { CheckpointLedger } from "./checkpoint-ledger.ts";
import { CheckpointLife, type CheckpointOperation, checkpointOperations, watchSteps } from "./checkpoint-script.ts";
import { watchedDisk } from "./watched-disk.ts";

export interface CheckpointEffort {
  /** Of the disks that one power cut may leave, how many at most. */
  readonly survivors: number;
  /** Of so many different ones of those, one whose next life loses its power too, at each of its steps; 0: none. */
  readonly nestedEvery: number;
  readonly nestedSurvivors: number;
  readonly random: () => number;
}

interface Left {
  readonly disk: SimDisk;
  readonly ledger: CheckpointLedger;
  readonly where: string;
}

type Script = readonly CheckpointOperation[];

export class CheckpointExploration {
  readonly violations: string[] = [];
  /** Disks that were left and looked at. */
  states = 0;
  /** Of those, how many were not the same as one before. */
  different = 0;
  readonly #effort: CheckpointEffort;
  readonly #before = new Set<string>();

  constructor(effort: CheckpointEffort) {
    this.#effort = effort;
  }

  get isOver(): boolean {
    return this.violations.length > 0;
  }

  /** The power goes at every step of this script. */
  async crashes(script: Script): Promise<void> {
    const ledger = new CheckpointLedger();
    const disk = new SimDisk();
    const left: Left[] = [];
    const look = (): void => void left.push(...this.#left(disk, ledger, `[${script}] stopped at ${disk.steps + 1}`));
    watchSteps(disk, ledger, look);
    await new CheckpointLife({ disk, ledger, life: 0 }).run(script);
    look();
    this.#note(`[${script}]`, ledger);
    for (const one of left) if (!this.isOver) await this.#check(one, 1);
  }

  /** A fault strikes once or for ever; then the program dies, or the power goes, at the end or at any step after it. */
  async fault(script: Script, fault: Fault, options: { readonly isLie?: boolean } = {}): Promise<boolean> {
    const ledger = new CheckpointLedger();
    const disk = new SimDisk({ faults: [fault] });
    const where = `[${script}] with ${fault}`;
    const left: Left[] = [];
    const look = (): void => {
      if (disk.faultsStruck > 0) left.push(...this.#left(disk, ledger, `${where} stopped at ${disk.steps + 1}`));
    };
    watchSteps(disk, ledger, look);
    const restoresBind = options.isLie !== true;
    const life = new CheckpointLife({ disk, ledger, life: 0, mayFail: true, restoresBind });
    await life.run(script);
    // One that failed stops none that comes after it, once it is opened anew.
    await life.do("reopen");
    look();
    this.#note(where, ledger);
    for (const one of left) if (!this.isOver) await this.#check(one, 1, restoresBind);
    return disk.faultsStruck > 0;
  }

  /** The system says EIO when a file is closed: the checkpoint is written anew, and no file stays open. */
  async closing(script: Script, occurrence: number): Promise<boolean> {
    const ledger = new CheckpointLedger();
    const disk = new SimDisk();
    const { disk: seen, openFiles, closeFailures } = watchedDisk(disk, { occurrence, path: /tmp$/ });
    watchSteps(disk, ledger);
    await new CheckpointLife({ disk, seen, ledger, life: 0 }).run(script);
    if (openFiles() > 0) ledger.note(`${openFiles()} files were left open`);
    this.#note(`[${script}] with closing ${occurrence} failing`, ledger);
    for (const one of this.#left(disk, ledger, `[${script}]`)) if (!this.isOver) await this.#check(one, 1);
    return closeFailures() > 0;
  }

  /** The next life of what was left: it restores, saves and prunes; then only what is durable is left of that. */
  async #check({ disk, ledger, where }: Left, depth: number, restoresBind = true): Promise<void> {
    this.states++;
    const key = `${depth} ${restoresBind} ${fingerprint(disk)} ${ledger.signature}`;
    if (this.#before.has(key)) return;
    this.#before.add(key);
    this.different++;
    const own = ledger.copy();
    const next: Left[] = [];
    const { nestedEvery } = this.#effort;
    const isNested = depth <= 1 && nestedEvery > 0 && this.different % nestedEvery === 0;
    watchSteps(disk, own, () => {
      if (isNested) next.push(...this.#few(disk, own, `${where}, then at ${disk.steps + 1}`));
    });
    const life = new CheckpointLife({ disk, ledger: own, life: depth, restoresBind });
    await life.restore("a");
    await life.restore("b");
    const half = [...disk.files()].filter(({ path }) => path.endsWith(".tmp"));
    if (half.length > 0) own.note(`${half[0]?.path} is left half done`);
    const restored = { disk: disk.survivor([]), ledger: own.copy(), where: `${where}, restored, power lost` };
    await life.run(["save", "other", "save", "large"]);
    if (own.problem !== undefined) return this.#note(where, own);
    const saved = { disk: disk.survivor([]), ledger: own, where: `${where}, saved again, power lost` };
    for (const one of [restored, saved]) await this.#last(one, depth);
    for (const one of next) if (!this.isOver) await this.#check(one, depth + 1, restoresBind);
  }

  async #last({ disk, ledger, where }: Left, depth: number): Promise<void> {
    const own = ledger.copy();
    watchSteps(disk, own);
    const life = new CheckpointLife({ disk, ledger: own, life: depth + 10 });
    await life.restore("a");
    await life.restore("b");
    await life.do("save");
    this.#note(where, own);
  }

  /** What is there if only the process dies now, and what may be there if the power goes. */
  *#left(disk: SimDisk, ledger: CheckpointLedger, where: string): Generator<Left> {
    yield { disk: disk.restarted(), ledger: ledger.copy(), where: `${where}, killed` };
    for (const { choices, disk: found } of disk.survivors({
      limit: this.#effort.survivors,
      random: this.#effort.random,
    }))
      yield { disk: found, ledger: ledger.copy(), where: `${where}, left [${choices}]` };
  }

  *#few(disk: SimDisk, ledger: CheckpointLedger, where: string): Generator<Left> {
    const { nestedSurvivors: limit, random } = this.#effort;
    for (const { choices, disk: found } of disk.survivors({ limit, random }))
      yield { disk: found, ledger: ledger.copy(), where: `${where}, left [${choices}]` };
  }

  #note(where: string, { problem }: CheckpointLedger): void {
    if (problem !== undefined) this.violations.push(`${where}: ${problem}`);
  }
}

function fingerprint(disk: SimDisk): string {
  const hash = createHash("sha1");
  for (const { path, bytes } of disk.files()) hash.update(`${path}:${bytes.length}:`).update(bytes);
  return `${hash.digest("base64")} ${disk.powerCut().combinations}`;
}

/** All scripts of so many operations; a save comes first, for before it there is nothing to lose. */
export function* checkpointScripts(length: number): Generator<Script> {
  let scripts: Script[] = [["save"], ["large"]];
  for (let more = 1; more < length; more++)
    scripts = scripts.flatMap((script) => checkpointOperations.map((operation) => [...script, operation]));
  yield* scripts;
}

interface FaultRow {
  readonly fault: (occurrence: number) => Fault;
  readonly isLie?: boolean;
}

/** Only what is asked for after the folder was made: where it cannot be made, nothing can be lost. */
const path = /checkpoint/;

export const checkpointFaults: Readonly<Record<string, FaultRow>> = {
  "open fails": { fault: (occurrence) => faults.failOpen({ path, occurrence }) },
  "opens fail from then on": { fault: (occurrence) => faults.failOpen({ path, occurrence, forever: true }) },
  "list fails": { fault: (occurrence) => faults.failList({ path, occurrence }) },
  "read fails": { fault: (occurrence) => faults.failRead({ path, occurrence }) },
  "read ends early": { fault: (occurrence) => faults.shortRead({ path, occurrence, bytes: 100 }) },
  "write fails": { fault: (occurrence) => faults.failWrite({ path, occurrence }) },
  "write fails half way": { fault: (occurrence) => faults.failWrite({ path, occurrence, bytes: 150 }) },
  "write finds no space": { fault: (occurrence) => faults.failWrite({ path, occurrence, bytes: 50, code: "ENOSPC" }) },
  "write finds no quota": { fault: (occurrence) => faults.failWrite({ path, occurrence, code: "EDQUOT" }) },
  "writes fail from then on": { fault: (occurrence) => faults.failWrite({ path, occurrence, forever: true }) },
  "write goes astray": { fault: (occurrence) => faults.misdirectedWrite({ path, occurrence, offset: 7 }) },
  "sync fails": { fault: (occurrence) => faults.failSync({ path, occurrence }) },
  "sync fails, the next one lies": { fault: (occurrence) => faults.failSync({ path, occurrence, lies: true }) },
  "syncs fail from then on": { fault: (occurrence) => faults.failSync({ path, occurrence, forever: true }) },
  "folder's sync fails": { fault: (occurrence) => faults.failSyncFolder({ path, occurrence }) },
  "folder's syncs fail from then on": {
    fault: (occurrence) => faults.failSyncFolder({ path, occurrence, forever: true }),
  },
  "folder's sync fails, the next one lies": {
    fault: (occurrence) => faults.failSyncFolder({ path, occurrence, lies: true }),
    isLie: true,
  },
  "rename fails": { fault: (occurrence) => faults.failRename({ path, occurrence }) },
  "renames fail from then on": { fault: (occurrence) => faults.failRename({ path, occurrence, forever: true }) },
  "remove fails": { fault: (occurrence) => faults.failRemove({ path, occurrence }) },
  "space ends": { fault: (occurrence) => faults.noSpaceAfter((occurrence - 1) * 190) },
};
