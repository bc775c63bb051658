/** Short scripts of what a program does with its checkpoints, run on a simulated disk and written down in a ledger. */

import { seededRandom, utf8, utf8Text } from "../../src/base/index.ts";
import type { Disk, SimDisk } from "../../src/disk/index.ts";
import {
  type CheckpointBackend,
  type Checkpoints,
  checkpoints,
  localCheckpoints,
} from "../../src/resilience/checkpoint/index.ts";
import type { CheckpointLedger } from "./checkpoint-ledger.ts";

export const checkpointOperations = ["save", "large", "other", "restore", "prune", "reopen"] as const;
export type CheckpointOperation = (typeof checkpointOperations)[number];

export const checkpointFolder = "/state/checkpoints";
const headerBytes = 192;
const keep = 2;
const timeMs = Date.UTC(2026, 0, 31);
const clock = { nowMs: () => timeMs, monotonicMs: () => 0, schedule: () => () => undefined };

export interface ScriptOptions {
  readonly disk: SimDisk;
  /** What the program sees of it: `disk`, or something in front of it. */
  readonly seen?: Disk;
  readonly ledger: CheckpointLedger;
  /** Numbers the lives of one history: no two of them draw the same names. */
  readonly life: number;
  /** Faults strike: calls may fail, with typed errors, and reads may find less. */
  readonly mayFail?: boolean;
  /** What a restore gave counts as acknowledged from then on. Default true. */
  readonly restoresBind?: boolean;
}

export class CheckpointLife {
  readonly #options: ScriptOptions;
  #random: () => number;
  #kept: Checkpoints;
  #texts = 0;

  constructor(options: ScriptOptions) {
    this.#options = options;
    this.#random = seededRandom(options.life + 1);
    this.#kept = this.#opened();
  }

  /** Every operation in turn. After a failure a program may well go on. Ends where the power goes. */
  async run(script: readonly CheckpointOperation[], onOperation: () => void = () => undefined): Promise<void> {
    for (const operation of script) {
      await this.do(operation);
      if (this.#options.disk.hasCrashed) return;
      onOperation();
    }
  }

  async do(operation: CheckpointOperation): Promise<void> {
    switch (operation) {
      case "save":
        return await this.#save("a", 20);
      case "large":
        return await this.#save("a", 900);
      case "other":
        return await this.#save("b", 20);
      case "restore":
        return await this.restore("a");
      case "prune":
        return await this.#try(() => this.#kept.prune("a"));
      case "reopen":
        await this.#try(() => this.#kept.close());
        this.#kept = this.#opened();
        return;
    }
  }

  async restore(id: string): Promise<void> {
    const { disk, ledger, mayFail = false, restoresBind = true } = this.#options;
    const faultsBefore = disk.faultsStruck;
    let text = "";
    const component = { id, save: () => utf8(""), restore: (state: Uint8Array) => void (text = utf8Text(state)) };
    using _registration = this.#kept.register(component);
    try {
      const { version, fellBack } = await this.#kept.restore(id);
      const mayFallBack = mayFail && disk.faultsStruck > faultsBefore;
      ledger.gave(id, { version, text, fellBack: fellBack.length }, { mayFallBack, binds: restoresBind });
    } catch (error) {
      if (!disk.hasCrashed) ledger.refused(id, error, { mayFail });
    }
  }

  async #save(id: string, sizeBytes: number): Promise<void> {
    const { ledger } = this.#options;
    const text = `${id}${this.#options.life}.${this.#texts++} `.padEnd(sizeBytes, "0123456789");
    using _registration = this.#kept.register({ id, save: () => utf8(text), restore: () => undefined });
    await this.#try(async () => ledger.acknowledged(id, (await this.#kept.checkpoint(id)).version, text));
  }

  async #try(work: () => Promise<unknown>): Promise<void> {
    const { disk, ledger, mayFail = false } = this.#options;
    try {
      await work();
    } catch (error) {
      if (!disk.hasCrashed) ledger.failed(error, { mayFail });
    }
  }

  #opened(): Checkpoints {
    const { disk, seen = disk, ledger } = this.#options;
    const randomBytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => this.#random() * 256);
    const inner = localCheckpoints({ disk: seen, folder: checkpointFolder, randomBytes });
    const backend: CheckpointBackend = {
      name: inner.name,
      capabilities: inner.capabilities,
      get: (...words) => inner.get(...words),
      list: (...words) => inner.list(...words),
      delete: (...words) => inner.delete(...words),
      close: async () => await inner.close?.(),
      async put(id, version, bytes, options) {
        ledger.attempt(id, version, utf8Text(bytes.subarray(headerBytes)));
        return await inner.put(id, version, bytes, options);
      },
    };
    return checkpoints({ backend, keep, clock, randomBytes });
  }
}

/** Tells the ledger of each version as its file gets its name; `look` is called in place of every step. */
export function watchSteps(disk: SimDisk, ledger: CheckpointLedger, look: () => void = () => undefined): void {
  disk.beforeStep = () => {
    look();
    const [, id, version] = /^rename .*\/\.([^@/]+)@([0-9]{16})\.checkpoint\.[0-9a-f]+\.tmp$/.exec(disk.lastStep) ?? [];
    if (id !== undefined) ledger.named(id, Number(version));
  };
}
