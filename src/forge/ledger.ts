/**
 * What the journal says, folded: jobs in the order of their acceptance, and which object each unit has.
 *
 * The same `apply` folds records at open and as they are written, so that a restart sees what the run before saw.
 */

import { HoldfastError } from "../base/index.ts";
import type { JobState, UnitVerdict } from "./events.ts";
import type { FailureVerdict, ForgeRecord, JobAccepted, JobFinished } from "./gen/holdfast/v2/forge_pb.ts";
import { durationMs, timestampMs } from "./record.ts";
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
}

export class Ledger {
  readonly #jobs = new Map<string, JobEntry>();
  readonly #objects = new Map<string, string>();

  job(id: string): JobEntry | undefined {
    return this.#jobs.get(id);
  }

  jobs(): readonly JobEntry[] {
    return [...this.#jobs.values()];
  }

  /** The hash of the object of this unit, undefined where it has none. */
  objectOf(unitKey: string): string | undefined {
    return this.#objects.get(unitKey);
  }

  apply(record: ForgeRecord): void {
    const { event } = record;
    const atMs = record.at === undefined ? 0 : timestampMs(record.at);
    switch (event.case) {
      case "jobAccepted":
        // A job that is accepted again goes to the end of the order.
        this.#jobs.delete(event.value.jobId);
        this.#jobs.set(event.value.jobId, accepted(event.value, atMs));
        return;
      case "unitCompiled":
        this.#objects.set(event.value.unitKey, event.value.objectHash);
        return;
      case "objectLost":
        this.#objects.delete(event.value.unitKey);
        return;
      case "unitAttemptFailed":
        this.#known(event.value.jobId).attempts.set(event.value.unitKey, event.value.attempt);
        return;
      case "unitFellBack": {
        const { jobId, unitHash, unitKey, unitName, attempts, verdict } = event.value;
        const eager = { hash: unitHash, name: unitName, attempts, verdict: verdictOf(verdict) };
        this.#known(jobId).eager.set(unitKey, eager);
        return;
      }
      case "jobFinished":
        finish(this.#known(event.value.jobId), event.value, atMs);
        return;
      case "jobFailed": {
        const job = this.#known(event.value.jobId);
        const { code, message, hint } = event.value;
        job.state = "failed";
        job.finishedMs = atMs;
        job.failure = HoldfastError.fromWire({ code, message, hint, retryable: false, details: { job: job.id } });
        return;
      }
      default:
        throw new HoldfastError("FORGE_BAD_RECORD", "a journal record has no event that this version knows");
    }
  }

  #known(id: string): JobEntry {
    const job = this.#jobs.get(id);
    if (job !== undefined) return job;
    throw new HoldfastError("FORGE_BAD_RECORD", `a journal record names the job ${id}, which was never accepted`);
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
  };
}

function strategyOf(name: string): Strategy {
  if (Object.hasOwn(strategies, name)) return name as Strategy;
  throw new HoldfastError("FORGE_BAD_RECORD", `a journal record names the strategy "${name}", which does not exist`);
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
