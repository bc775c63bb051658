/**
 * What the records say, folded: jobs in the order of their acceptance, and which object each unit has.
 *
 * The same `apply` folds records at open and as they are written, so that a restart sees what the run before saw.
 */

import { errorFromWire, HoldfastError } from "../base/index.ts";
import type { JobState, UnitVerdict } from "./events.ts";
import type {
  FailureVerdict,
  ForgeRecord,
  JobAccepted,
  JobFinished,
  UnitCompiled,
} from "./gen/holdfast/v2/forge_pb.ts";
import { durationMs, type RecordEvent, timestampMs } from "./record.ts";
import { type Strategy, strategies } from "./strategy.ts";

export interface StoredFile {
  readonly path: string;
  readonly hash: string;
  readonly sizeBytes: number;
}

export interface EagerUnit {
  readonly hash: string;
  readonly name: string;
  readonly attempts: number;
  readonly verdict: UnitVerdict;
}

export interface JobEntry {
  readonly id: string;
  readonly name: string;
  readonly modelHash: string;
  readonly optionsHash: string;
  readonly strategy: Strategy;
  readonly toolchainName: string;
  readonly toolchainVersion: string;
  readonly acceptedMs: number;
  state: JobState;
  finishedMs: number | undefined;
  durationMs: number;
  units: number;
  files: readonly StoredFile[];
  failure: HoldfastError | undefined;
  /** Failed attempts in this job, by unit key. */
  readonly attempts: Map<string, number>;
  /** Units that stay eager in this job, by unit key, in the order in which they fell. */
  readonly eager: Map<string, EagerUnit>;
  /** The records that still say something of it, by their place (`placeOf`). */
  readonly records: Map<string, ForgeRecord>;
}

/** A unit that was compiled, in whatever job came first. */
export interface CompiledUnit {
  readonly key: string;
  readonly hash: string;
  /** undefined where the object was found missing or damaged since. */
  objectHash: string | undefined;
  /** More than one only where an object was lost. */
  compilations: number;
  record: ForgeRecord;
}

export class Ledger {
  readonly #jobs = new Map<string, JobEntry>();
  readonly #units = new Map<string, CompiledUnit>();

  job(id: string): JobEntry | undefined {
    return this.#jobs.get(id);
  }

  jobs(): readonly JobEntry[] {
    return [...this.#jobs.values()];
  }

  /** Every unit that was ever compiled. */
  units(): readonly CompiledUnit[] {
    return [...this.#units.values()];
  }

  /** The hash of the object of this unit, undefined where it has none. */
  objectOf(unitKey: string): string | undefined {
    return this.#units.get(unitKey)?.objectHash;
  }

  apply(record: ForgeRecord): void {
    const { event } = record;
    const atMs = record.at === undefined ? 0 : timestampMs(record.at);
    switch (event.case) {
      case "jobAccepted": {
        // A job that is accepted again goes to the end of the order.
        const { jobId } = event.value;
        this.#jobs.delete(jobId);
        this.#jobs.set(jobId, accepted(event.value, atMs));
        this.#known(jobId).records.set(placeOf(event), record);
        return;
      }
      case "unitCompiled":
        this.#compiled(compiledUnit(event.value, record));
        return;
      case "objectLost": {
        const unit = this.#units.get(event.value.unitKey);
        if (unit !== undefined) unit.objectHash = undefined;
        return;
      }
      case "unitAttemptFailed": {
        const { jobId, unitKey, attempt } = event.value;
        const job = this.#known(jobId);
        job.attempts.set(unitKey, attempt);
        job.records.set(placeOf(event), record);
        return;
      }
      case "unitFellBack": {
        const { jobId, unitHash, unitKey, unitName, attempts, verdict } = event.value;
        const eager = { hash: unitHash, name: unitName, attempts, verdict: verdictOf(verdict) };
        const job = this.#known(jobId);
        job.eager.set(unitKey, eager);
        job.records.set(placeOf(event), record);
        return;
      }
      case "jobFinished": {
        const job = this.#known(event.value.jobId);
        finish(job, event.value, atMs);
        job.records.set(placeOf(event), record);
        return;
      }
      case "jobFailed": {
        const job = this.#known(event.value.jobId);
        const { code, message, hint } = event.value;
        job.state = "failed";
        job.finishedMs = atMs;
        job.failure = errorFromWire({ code, message, hint, retryable: false, details: { job: job.id } });
        job.records.set(placeOf(event), record);
        return;
      }
      case "checkpoint": {
        if (event.value.begins) {
          this.#jobs.clear();
          this.#units.clear();
        }
        for (const one of event.value.records) this.apply(one);
        return;
      }
      default:
        throw new HoldfastError("FORGE_BAD_RECORD", "a record has no event that this version knows");
    }
  }

  /** The journal of earlier versions has a record for each compilation. */
  #compiled(unit: CompiledUnit): void {
    const before = this.#units.get(unit.key)?.compilations ?? 0;
    this.#units.set(unit.key, { ...unit, compilations: before + unit.compilations });
  }

  #known(id: string): JobEntry {
    const job = this.#jobs.get(id);
    if (job !== undefined) return job;
    throw new HoldfastError("FORGE_BAD_RECORD", `a record names the job ${id}, which was never accepted`);
  }
}

export function compiledUnit(
  { unitKey, unitHash, objectHash, compilations }: UnitCompiled,
  record: ForgeRecord,
): CompiledUnit {
  return {
    key: unitKey,
    hash: unitHash,
    objectHash: objectHash === "" ? undefined : objectHash,
    compilations: Math.max(1, compilations),
    record,
  };
}

/** What a record says of its job: a later one of the same place replaces it. */
export function placeOf(event: RecordEvent): string {
  switch (event.case) {
    case "jobAccepted":
      return "accepted";
    case "unitAttemptFailed":
      return `attempt ${event.value.unitKey}`;
    case "unitFellBack":
      return `eager ${event.value.unitKey}`;
    default:
      return "end";
  }
}

function accepted(record: JobAccepted, atMs: number): JobEntry {
  return {
    id: record.jobId,
    name: record.name,
    modelHash: record.modelHash,
    optionsHash: record.optionsHash,
    strategy: strategyOf(record.strategy),
    toolchainName: record.toolchainName,
    toolchainVersion: record.toolchainVersion,
    acceptedMs: atMs,
    state: "accepted",
    finishedMs: undefined,
    durationMs: 0,
    units: 0,
    files: [],
    failure: undefined,
    attempts: new Map(),
    eager: new Map(),
    records: new Map(),
  };
}

function strategyOf(name: string): Strategy {
  if (Object.hasOwn(strategies, name)) return name as Strategy;
  throw new HoldfastError("FORGE_BAD_RECORD", `a record names the strategy "${name}", which does not exist`);
}

function finish(job: JobEntry, record: JobFinished, atMs: number): void {
  job.state = record.status === "done" ? "done" : "degraded";
  job.finishedMs = atMs;
  job.durationMs = record.duration === undefined ? 0 : durationMs(record.duration);
  job.units = record.units;
  job.files = record.files.map(({ path, hash, sizeBytes }) => ({ path, hash, sizeBytes: Number(sizeBytes) }));
}

function verdictOf(record: FailureVerdict | undefined): UnitVerdict {
  if (record === undefined) return { kind: "error", message: "" };
  return {
    kind: record.kind as UnitVerdict["kind"],
    message: record.message,
    ...(record.signal === "" ? {} : { signal: record.signal }),
    ...(record.exitCode === undefined ? {} : { exitCode: record.exitCode }),
    ...(record.errorCode === "" ? {} : { errorCode: record.errorCode }),
  };
}
