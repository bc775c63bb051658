/** Many scripts until there were so many operations, in several threads; what they did, and what went wrong. */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { systemClock } from "../../../src/base/index.ts";
import type { RunReport, RunViolation } from "./runner.ts";
import { runScript } from "./runner.ts";
import { makeScript, type ScriptOptions } from "./script.ts";
import type { OpenStore } from "./session.ts";
import type { SoakTask } from "./worker.ts";
import { type Counts, noCounts } from "./world.ts";

export interface SoakOptions extends ScriptOptions {
  readonly operations: number;
  /** Of the first script; the next ones have the next seeds. */
  readonly seed: number;
  readonly scriptOperations?: number;
  readonly violationLimit?: number;
  readonly onScript?: (counts: Counts, seconds: number) => void;
}

export interface SoakReport extends Counts {
  readonly scripts: number;
  readonly seconds: number;
  readonly violations: readonly (RunViolation & { readonly seed: number })[];
}

type Play = (task: SoakTask) => Promise<RunReport>;

const usualOperations = 500;

/** In this thread. */
export async function soak(openStore: OpenStore, options: SoakOptions): Promise<SoakReport> {
  const soaking = new Soak(options);
  await soaking.run(({ seed, scriptOperations, ...rest }) =>
    runScript(openStore, makeScript(seed, scriptOperations, rest)),
  );
  return soaking.report;
}

/** In so many threads. */
export async function soakInThreads(threads: number, options: SoakOptions): Promise<SoakReport> {
  const soaking = new Soak(options);
  const one = async (): Promise<void> => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url));
    try {
      await soaking.run(async (task) => {
        worker.postMessage(task);
        const [report] = (await once(worker, "message")) as [RunReport];
        return report;
      });
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: threads }, one));
  return soaking.report;
}

class Soak {
  readonly #options: SoakOptions;
  readonly #startedMs = systemClock.monotonicMs();
  readonly #total = noCounts();
  readonly #violations: (RunViolation & { readonly seed: number })[] = [];
  #scripts = 0;

  constructor(options: SoakOptions) {
    this.#options = options;
  }

  get report(): SoakReport {
    return { ...this.#total, scripts: this.#scripts, seconds: this.#seconds, violations: this.#violations };
  }

  /** Plays one script after the other until there are enough; several may do so at once. */
  async run(play: Play): Promise<void> {
    const { operations, seed, scriptOperations = usualOperations, violationLimit = 1, onScript } = this.#options;
    const { without = [], mostly } = this.#options;
    const options = { without, ...(mostly === undefined ? {} : { mostly }) };
    while (this.#total.operations < operations && this.#violations.length < violationLimit) {
      const next = seed + this.#scripts++;
      const { violation, ...counts } = await play({ ...options, seed: next, scriptOperations });
      for (const name of Object.keys(counts) as (keyof Counts)[]) this.#total[name] += counts[name];
      if (violation !== undefined) this.#violations.push({ seed: next, ...violation });
      onScript?.(this.#total, this.#seconds);
    }
  }

  get #seconds(): number {
    return (systemClock.monotonicMs() - this.#startedMs) / 1_000;
  }
}

export function printedCounts(counts: Counts): string {
  const { operations, crashes, survivors, nested, faults, rotten, answers, errors } = counts;
  return (
    `${operations} operations, ${answers} answers compared; ${crashes} crashes, ${nested} more while recovering, ` +
    `${survivors} disks opened; ${faults} openings with a fault, ${errors} typed errors; ${rotten} times damaged`
  );
}
