/** What the parts of a run share: the store under test, what it has to hold, and what was counted. */

import { SimDisk } from "../../../src/disk/index.ts";
import type { ConsolidationReport } from "../../../src/store/consolidation/report.ts";
import { faultsOf } from "./faults.ts";
import { Latitude } from "./latitude.ts";
import { Model } from "./model.ts";
import type { FaultSpec, ScriptSettings } from "./operations.ts";
import { type OpenStore, type Session, Violation } from "./session.ts";

export interface Counts {
  operations: number;
  crashes: number;
  /** Disks that a crash left, opened and compared. */
  survivors: number;
  /** Crashes while a crash was being recovered from. */
  nested: number;
  /** Openings in which a fault struck. */
  faults: number;
  rotten: number;
  /** Answers that were compared with the model. */
  answers: number;
  /** Typed errors where a fault had struck. */
  errors: number;
}

export function noCounts(): Counts {
  return { operations: 0, crashes: 0, survivors: 0, nested: 0, faults: 0, rotten: 0, answers: 0, errors: 0 };
}

const startMs = Date.UTC(2026, 0, 1);

export class World {
  readonly openStore: OpenStore;
  readonly settings: ScriptSettings;
  readonly counts: Counts;
  model = new Model();
  readonly latitude = new Latitude();
  disk = new SimDisk();
  nowMs = startMs;
  /** A sync of a folder failed and lied: then a store may be refused, or miss what the disk had said it has. */
  isLiedTo = false;
  /** Of a consolidation that had the store for itself, until what it says is compared with what is there. */
  lastReport: ConsolidationReport | undefined;
  #session: Session | undefined;
  #mayLie = false;

  constructor(openStore: OpenStore, settings: ScriptSettings, counts: Counts) {
    this.openStore = openStore;
    this.settings = settings;
    this.counts = counts;
  }

  /** The store that is open. */
  get session(): Session {
    if (this.#session === undefined) throw new Violation("no store is open");
    return this.#session;
  }

  begin(session: Session): void {
    this.#session = session;
  }

  /** From here on nothing that the store says counts, and no step of it is done. */
  endSession(): void {
    const session = this.#session;
    if (session === undefined) return;
    this.nowMs = session.clock.nowMs();
    session.isOver = true;
    this.noteFaults();
    this.#session = undefined;
  }

  /** The next process finds this disk, with these faults to come. */
  goOnWith(disk: SimDisk, faults: readonly FaultSpec[]): void {
    this.disk = disk.restarted({ faults: faultsOf(faults, disk) });
    this.#mayLie = faults.some(({ lies, kind }) => lies === true && kind === "syncFolder");
  }

  /** What struck on this disk; a lie about a folder is told to later processes too. */
  noteFaults(): void {
    if (this.disk.faultsStruck === 0) return;
    this.counts.faults++;
    this.isLiedTo ||= this.#mayLie;
  }

  /** Begins with nothing, where a disk that lied has lost the store. */
  startAnew(): void {
    this.model = new Model();
    this.latitude.clear();
    this.disk = new SimDisk();
    this.isLiedTo = false;
  }
}
