/**
 * One run of one job: plan, units, merge, commit.
 *
 * Units are taken from the cache or compiled in cells, a few at a time, in any order of completion; what is stored and
 * what is merged is in plan order. A unit that fails twice, or that the budget leaves no time for, stays eager; the
 * others do not notice. Everything that must survive a kill is in the store before the next step depends on it, so a
 * run that is cut off anywhere is carried on by another run of the same job.
 */

import { assert, type Clock, HoldfastError } from "../base/index.ts";
import type { CellOutcome, Verdict } from "../sandbox/index.ts";
import { hashHex } from "./content-hash.ts";
import type { ForgeEvents, UnitVerdict } from "./events.ts";
import type { ForgeStore } from "./forge-store.ts";
import type { EagerUnit, JobEntry } from "./ledger.ts";
import { durationFromMs } from "./record.ts";
import { strategies } from "./strategy.ts";
import type { ArtifactFile, Plan, PlanUnit, Toolchain } from "./toolchain.ts";

const attemptsLimit = 2;

/** The part of a cell pool that a run needs. */
export interface UnitCells {
  run(job: { kind: string; payload: Uint8Array; timeoutMs: number; signal: AbortSignal }): Promise<CellOutcome>;
}

export interface RunContext {
  readonly store: ForgeStore;
  readonly toolchain: Toolchain;
  readonly events: ForgeEvents;
  readonly clock: Clock;
  readonly unitTimeoutMs: number;
  readonly budgetMs: number | undefined;
  /** How many units are compiled at the same time. */
  readonly cells: number;
  /** Called when the first unit needs compiling, so that a cached job starts no process. */
  cellsFor(memoryMb: number): UnitCells;
  /** Aborted when the forge closes: the job stays as it is, to be resumed. */
  readonly closing: AbortSignal;
}

export interface JobResult {
  readonly jobId: string;
  readonly status: "done" | "degraded";
  readonly files: readonly ArtifactFile[];
  readonly units: number;
  /** Units that stayed eager, and why. */
  readonly eager: readonly EagerUnit[];
  readonly durationMs: number;
  /** True where the job had been finished before and was only delivered. */
  readonly fromCache: boolean;
}

/** The cache key of a unit: the same in every job of the same toolchain. */
export function unitKeyOf(toolchain: Toolchain, unit: PlanUnit): string {
  return hashHex(JSON.stringify([toolchain.name, toolchain.version, unit.hash]));
}

export class JobRun {
  readonly #context: RunContext;
  readonly #job: JobEntry;
  readonly #budget = new AbortController();
  readonly #startedMs: number;

  constructor(context: RunContext, job: JobEntry) {
    this.#context = context;
    this.#job = job;
    this.#startedMs = context.clock.monotonicMs();
  }

  async run(model: Uint8Array, options: Uint8Array): Promise<JobResult> {
    const limits = strategies[this.#job.strategy];
    const cancel = this.#context.clock.schedule(this.#context.budgetMs ?? limits.budgetMs, () => this.#budget.abort());
    try {
      const plan = await this.#context.toolchain.plan(model, options);
      const objects = await this.#objectsOf(plan);
      const files = await this.#context.toolchain.merge(plan, objects, this.#reasons());
      return await this.#finish(plan, files);
    } finally {
      cancel();
    }
  }

  async #objectsOf(plan: Plan): Promise<(Uint8Array | undefined)[]> {
    const { cells, events, store, toolchain } = this.#context;
    const distinct = new Map(plan.units.map((unit) => [unitKeyOf(toolchain, unit), unit] as const));
    let cached = 0;
    for (const key of distinct.keys()) if ((await store.unit(key))?.objectHash !== undefined) cached++;
    events.emit({ type: "jobPlanned", jobId: this.#job.id, units: distinct.size, cached });
    this.#job.units = plan.units.length;

    const objects = new Map<string, Uint8Array | undefined>();
    const stored: Promise<void>[] = [];
    const waiting = distinct.entries();
    // All workers take from the one iterator. Storing goes on beside the next unit, so that cells never wait for disks.
    const worker = async (): Promise<void> => {
      for (const [key, unit] of waiting) {
        const { object, durable } = await this.#unit(key, unit);
        objects.set(key, object);
        durable.catch(() => undefined);
        stored.push(durable);
      }
    };
    const done = await Promise.allSettled(Array.from({ length: Math.min(cells, distinct.size) }, worker));
    for (const outcome of [...done, ...(await Promise.allSettled(stored))]) {
      if (outcome.status === "rejected") throw outcome.reason;
    }
    return plan.units.map((unit) => objects.get(unitKeyOf(toolchain, unit)));
  }

  async #unit(key: string, unit: PlanUnit): Promise<{ object: Uint8Array | undefined; durable: Promise<void> }> {
    this.#stopWhenClosing();
    const cached = await this.#fromCache(key, unit);
    if (cached !== undefined) return { object: cached, durable: Promise.resolve() };
    const nothing = { object: undefined, durable: Promise.resolve() };
    if (this.#job.eager.has(key)) return nothing;

    const limits = strategies[this.#job.strategy];
    const attempts = (): number => this.#job.attempts.get(key) ?? 0;
    let verdict: UnitVerdict | undefined = limits.compiles
      ? undefined
      : { kind: "emergency", message: "the strategy EMERGENCY compiles nothing" };
    while (limits.compiles && attempts() < attemptsLimit) {
      if (this.#budget.signal.aborted) {
        verdict = { kind: "budget", message: `the job's budget was used up before this unit was compiled` };
        break;
      }
      const outcome = await this.#attempt(unit, attempts() + 1, limits.memoryMb);
      if (outcome.ok) return { object: outcome.payload, durable: this.#store(key, unit, outcome) };
      verdict =
        this.#budget.signal.aborted && outcome.verdict.kind === "cancelled"
          ? { kind: "budget", message: "the job's budget was used up while this unit was compiled" }
          : unitVerdict(outcome.verdict);
      if (verdict.kind === "budget") break;
      await this.#context.store.note(this.#job.id, {
        case: "unitAttemptFailed",
        value: { jobId: this.#job.id, unitKey: key, attempt: attempts() + 1, verdict: verdictRecord(verdict) },
      });
    }
    await this.#fallBack(key, unit, attempts(), verdict ?? { kind: "error", message: "it failed in an earlier run" });
    return nothing;
  }

  async #fromCache(key: string, unit: PlanUnit): Promise<Uint8Array | undefined> {
    const { clock, events, store } = this.#context;
    const startedMs = clock.monotonicMs();
    const known = await store.unit(key);
    if (known?.objectHash === undefined) return undefined;
    const object = await store.bytes("objects", known.objectHash);
    if (object === undefined) {
      await store.lost(known);
      return undefined;
    }
    const durationMs = clock.monotonicMs() - startedMs;
    events.emit({
      type: "unitFinished",
      ...this.#named(unit),
      verdict: undefined,
      fromCache: true,
      attempt: 0,
      durationMs,
    });
    return object;
  }

  async #attempt(unit: PlanUnit, attempt: number, memoryMb: number): Promise<CellOutcome> {
    const { closing, events, unitTimeoutMs } = this.#context;
    events.emit({ type: "unitStarted", ...this.#named(unit), attempt });
    const signal = AbortSignal.any([this.#budget.signal, closing]);
    const cells = this.#context.cellsFor(memoryMb);
    const outcome = await cells.run({ kind: "compile", payload: unit.spec, timeoutMs: unitTimeoutMs, signal });
    if (!outcome.ok) this.#stopWhenClosing();
    const verdict = outcome.ok ? undefined : unitVerdict(outcome.verdict);
    const { durationMs } = outcome;
    events.emit({ type: "unitFinished", ...this.#named(unit), verdict, fromCache: false, attempt, durationMs });
    return outcome;
  }

  async #store(key: string, unit: PlanUnit, outcome: CellOutcome & { ok: true }): Promise<void> {
    const duration = durationFromMs(Math.round(outcome.durationMs));
    const value = { unitKey: key, unitHash: unit.hash, unitName: unit.name, duration };
    await this.#context.store.compiled(value, outcome.payload);
  }

  async #fallBack(key: string, unit: PlanUnit, attempts: number, verdict: UnitVerdict): Promise<void> {
    const value = {
      jobId: this.#job.id,
      unitKey: key,
      unitHash: unit.hash,
      unitName: unit.name,
      attempts,
      verdict: verdictRecord(verdict),
    };
    await this.#context.store.note(this.#job.id, { case: "unitFellBack", value });
    this.#context.events.emit({ type: "unitFellBack", ...this.#named(unit), attempts, verdict });
  }

  async #finish(plan: Plan, files: readonly ArtifactFile[]): Promise<JobResult> {
    this.#stopWhenClosing();
    const { clock, events, store } = this.#context;
    const job = this.#job;
    const keys = plan.units.map((unit) => unitKeyOf(this.#context.toolchain, unit));
    const eagerUnits = keys.filter((key) => job.eager.has(key)).length;
    const status = eagerUnits === 0 ? "done" : "degraded";
    const durationMs = clock.monotonicMs() - this.#startedMs;
    const { modelHash, toolchainName, toolchainVersion } = job;
    const duration = durationFromMs(Math.round(durationMs));
    const hardwareProfile = `${process.platform}-${process.arch}`;
    const context = { modelHash, toolchainName, toolchainVersion, hardwareProfile };
    await store.finish({ jobId: job.id, status, units: keys.length, eagerUnits, duration, context }, files);
    assert(job.state === status, "the store knows that the job is finished");
    events.emit({ type: "jobFinished", jobId: job.id, status, durationMs });
    const eager = [...job.eager.values()];
    return { jobId: job.id, status, files, units: keys.length, eager, durationMs, fromCache: false };
  }

  /**
   * Why units are eager, by hash. Nothing of the moment is in it (no pid, no time), so that artifacts stay the same.
   */
  #reasons(): ReadonlyMap<string, string> {
    return new Map([...this.#job.eager.values()].map(({ hash, verdict }) => [hash, reasonOf(verdict)]));
  }

  #named(unit: PlanUnit): { jobId: string; hash: string; name: string } {
    return { jobId: this.#job.id, hash: unit.hash, name: unit.name };
  }

  #stopWhenClosing(): void {
    if (this.#context.closing.aborted) throw closedError();
  }
}

export function closedError(): HoldfastError {
  return new HoldfastError("FORGE_CLOSED", "the forge was closed before the job ended", {
    hint: "Open it again and resume: the job goes on from its last finished unit.",
    retryable: true,
  });
}

function unitVerdict(verdict: Verdict): UnitVerdict {
  return {
    kind: verdict.kind,
    message: verdict.error?.message ?? verdict.message,
    ...(verdict.signal === undefined ? {} : { signal: verdict.signal }),
    ...(verdict.exitCode === undefined ? {} : { exitCode: verdict.exitCode }),
    ...(verdict.error === undefined ? {} : { errorCode: verdict.error.code }),
    logTail: verdict.logTail,
  };
}

function reasonOf(verdict: UnitVerdict): string {
  if (verdict.errorCode !== undefined) return `${verdict.errorCode}: ${verdict.message}`;
  return verdict.signal === undefined ? verdict.kind : `${verdict.kind} ${verdict.signal}`;
}

const messageLimit = 2_000;

function verdictRecord(verdict: UnitVerdict) {
  return {
    kind: verdict.kind,
    message: verdict.message.slice(0, messageLimit).toWellFormed(),
    signal: verdict.signal ?? "",
    errorCode: verdict.errorCode ?? "",
    ...(verdict.exitCode === undefined ? {} : { exitCode: verdict.exitCode }),
  };
}
