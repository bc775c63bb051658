/** Short scripts of what a program does with a log, run on a simulated disk and written down in a ledger. */

import { seededRandom, utf8, utf8Text } from "../../src/base/index.ts";
import type { SimDisk } from "../../src/disk/index.ts";
import { openWal, type Wal } from "../../src/wal/index.ts";
import { type Entry, Ledger } from "./ledger.ts";

export const operations = ["append", "transaction", "spanning", "group", "rotate", "truncate", "reopen"] as const;
export type Operation = (typeof operations)[number];

export interface Settings {
  readonly format: "binary" | "json";
  readonly durability: "fdatasync" | "dsync";
}

export const allSettings: readonly Settings[] = (["binary", "json"] as const).flatMap((format) =>
  (["fdatasync", "dsync"] as const).map((durability) => ({ format, durability })),
);

export interface Script extends Settings {
  readonly workload: readonly Operation[];
  /** All at once, each without waiting for those before, so that they share syncs. No `reopen` then. */
  readonly atOnce?: boolean;
  /** Of the log's epochs and of the texts in it: tells one log from another. */
  readonly seed?: number;
  /** What is wrong with the device may lose what was durable: a typed error will do, or a torn end that is reported. */
  readonly lies?: boolean;
}

/** Small, so that few operations fill a file. */
const fileLimitBytes = 2_560;
const folder = "/log";
const timeMs = Date.UTC(2026, 0, 31);
const clock = { nowMs: () => timeMs, monotonicMs: () => 0, schedule: () => () => undefined };

export interface Opened {
  readonly wal: Wal;
  readonly entries: readonly Entry[];
}

export interface OpenOptions {
  /** Numbers the openings of one history: no two of them draw the same epochs. */
  readonly generation: number;
  readonly recovery?: "salvage";
}

export async function openLog(disk: SimDisk, settings: Settings, options: OpenOptions): Promise<Opened> {
  const { format, durability } = settings;
  const random = seededRandom(options.generation + 1);
  const randomBytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => random() * 256);
  const entries: Entry[] = [];
  const onEntry = (entry: { sequence: number; payload: Uint8Array }): void => {
    entries.push({ sequence: entry.sequence, text: utf8Text(entry.payload) });
  };
  const { recovery = "strict" } = options;
  const log = { disk, folder, format, durability, fileLimitBytes, recovery } as const;
  const wal = await openWal({ ...log, clock, randomBytes, onEntry });
  return { wal, entries };
}

/** A history up to where it ended: by itself, or because the power went. */
export interface Run {
  readonly ledger: Ledger;
  /** The steps of the disk that were done after each operation; first after opening. */
  readonly stepsAfter: readonly number[];
  /** What an operation failed with, other than the end of power. */
  readonly failures: readonly unknown[];
  /** The log, if it is open. */
  readonly wal: Wal | undefined;
}

export async function runScript(disk: SimDisk, script: Script): Promise<Run> {
  const run = new ScriptRun(disk, script);
  await run.all();
  return run;
}

class ScriptRun implements Run {
  ledger = new Ledger();
  readonly stepsAfter: number[] = [];
  readonly failures: unknown[] = [];
  readonly #disk: SimDisk;
  readonly #script: Script;
  #generation: number;
  wal: Wal | undefined;

  constructor(disk: SimDisk, script: Script) {
    this.#disk = disk;
    this.#script = script;
    this.#generation = 1_000 * (script.seed ?? 0);
  }

  async all(): Promise<void> {
    if (!(await this.#try(() => this.#open()))) return;
    const { workload, atOnce } = this.#script;
    if (atOnce === true) {
      await Promise.all(workload.map((operation, place) => this.#try(() => this.#do(operation, this.#nameOf(place)))));
      this.stepsAfter.push(this.#disk.steps);
      return;
    }
    // After a failure a program may well go on, if only to close the log and open it again.
    for (const [place, operation] of workload.entries()) {
      await this.#try(() => this.#do(operation, this.#nameOf(place)));
      if (this.#disk.hasCrashed) return;
      this.stepsAfter.push(this.#disk.steps);
    }
  }

  /** False where it failed. */
  async #try(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!this.#disk.hasCrashed) this.failures.push(error);
      return false;
    }
  }

  async #open(): Promise<void> {
    const { wal, entries } = await openLog(this.#disk, this.#script, { generation: this.#generation++ });
    this.wal = wal;
    const isTornEnd = this.#script.lies === true && wal.recovery.torn !== undefined && this.ledger.isPrefix(entries);
    if (!isTornEnd) this.ledger.problem ??= this.ledger.refusal(entries);
    this.ledger = this.ledger.settled(entries);
    if (this.stepsAfter.length === 0) this.stepsAfter.push(this.#disk.steps);
  }

  async #do(operation: Operation, name: string): Promise<void> {
    const wal = this.wal;
    if (wal === undefined) return;
    switch (operation) {
      case "append":
        return await this.#append(wal, `${name}a`);
      case "group":
        return await this.#submit(wal, [`${name}g`, long(`${name}h`)], (payloads) => wal.appendAll(payloads));
      case "transaction":
        return await this.#transaction(wal, [`${name}t`, `${name}u`]);
      case "spanning":
        return await this.#transaction(wal, [`${name}s`, `${name}v`], () => this.#append(wal, `${name}b`));
      case "rotate":
        return await wal.rotate();
      case "truncate": {
        const before = wal.visibleSequence;
        const truncated = wal.truncateBefore(before);
        const truncation = this.ledger.truncate(before);
        await truncated;
        truncation.done = true;
        // What was forgotten once is not asked for again.
        await wal.truncateBefore(1);
        return;
      }
      case "reopen":
        this.wal = undefined;
        await wal.close();
        return await this.#open();
    }
  }

  #nameOf(place: number): string {
    const { seed } = this.#script;
    return seed === undefined ? `${place}` : `${seed}/${place}`;
  }

  async #append(wal: Wal, text: string): Promise<void> {
    await this.#submit(wal, [text], ([payload]) => wal.append(payload ?? utf8("")));
  }

  async #transaction(wal: Wal, texts: readonly string[], between?: () => Promise<void>): Promise<void> {
    const transaction = wal.begin(utf8("context"));
    const entries: Entry[] = [];
    for (const [place, text] of texts.entries()) {
      transaction.append(utf8(text));
      entries.push(this.ledger.giveOut({ sequence: wal.visibleSequence, text }));
      if (place === 0) await between?.();
    }
    await this.#commit(wal, entries, () => transaction.commit());
  }

  async #submit(wal: Wal, texts: readonly string[], send: (payloads: Uint8Array[]) => Promise<number>): Promise<void> {
    const first = wal.visibleSequence + 1;
    const entries = texts.map((text, place) => ({ sequence: first + place, text }));
    await this.#commit(wal, entries, () => send(texts.map((text) => utf8(text))));
  }

  /** Notes what is sent as soon as it is taken over, and that it is durable once the log says so. */
  async #commit(wal: Wal, entries: readonly Entry[], send: () => Promise<number>): Promise<void> {
    const before = wal.visibleSequence;
    const durable = send();
    // A log that has failed takes nothing over.
    if (wal.visibleSequence === before) return void (await durable);
    for (const entry of entries) if (entry.sequence > before) this.ledger.giveOut(entry);
    const group = this.ledger.submit(entries);
    await durable;
    group.acknowledged = true;
  }
}

/** Longer than a frame's padding, so that later frames straddle sectors. */
function long(text: string): string {
  return text.padEnd(300, ".");
}
