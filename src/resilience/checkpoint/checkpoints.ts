/**
 * Versioned checkpoints of components that have state, over any backend (SPEC R10, R12).
 *
 * Versions of a component are whole numbers that only grow and are never used twice, not after a prune, a failure or a
 * crash. A checkpoint is acknowledged when the backend has it for good, and only then are older ones removed, never
 * those that are needed to have `keep` good ones. Whether bytes are whole is judged here, by their own header and both
 * checksums, whatever the backend says of them. A damaged newest version gives way to the newest good one: the result,
 * an event and the statistics say so.
 *
 * Calls for one component go one after the other. Plain checkpoints that come while one is being taken share the next
 * one; a failed one stops nothing that comes after it.
 */

import { randomBytes as platformRandomBytes } from "node:crypto";
import { type Clock, errorText, HoldfastError, type Listener, systemClock, Topic } from "../../base/index.ts";
import { type CheckpointBackend, hasCode } from "./backend.ts";
import { type Checkpointed, refuseBadId } from "./component.ts";
import { type CheckpointInfo, type Envelope, encodeEnvelope } from "./envelope.ts";
import {
  type CheckpointFailure,
  type CheckpointFallback,
  type CheckpointOptions,
  type CheckpointOutcome,
  type CheckpointStatistics,
  type CheckpointsOptions,
  type Restored,
  type RestoreOptions,
  type Settings,
  settingsOf,
  type VerifiedVersion,
  whole,
} from "./options.ts";
import { Overhead } from "./overhead.ts";
import { RunQueue } from "./run-queue.ts";
import { findNewest, findVersion, readVersion } from "./search.ts";

/** Other writers that may come first before a checkpoint without an expectation gives up. */
const racesLimit = 16;
const formatVersionLimit = 2 ** 32 - 1;

interface Registered {
  readonly component: Checkpointed;
  readonly queue: RunQueue<CheckpointInfo | Restored>;
  /** Versions that were found damaged: they do not count as kept. */
  readonly damaged: Set<number>;
}

/** Throws CHECKPOINT_OPTION. Nothing is read or written before the first call. */
export function checkpoints(options: CheckpointsOptions): Checkpoints {
  return new Checkpoints(options);
}

export class Checkpoints implements AsyncDisposable {
  readonly #backend: CheckpointBackend;
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #randomBytes: (count: number) => Uint8Array;
  readonly #components = new Map<string, Registered>();
  readonly #overhead: Overhead;
  readonly #saved = new Topic<CheckpointInfo>("checkpoint.saved");
  readonly #fellBack = new Topic<CheckpointFallback>("checkpoint.fell-back");
  readonly #failed = new Topic<CheckpointFailure>("checkpoint.failed");
  readonly #counts = {
    checkpoints: 0,
    restores: 0,
    fallbacks: 0,
    pruned: 0,
    failures: 0,
    conflicts: 0,
    bytesWritten: 0,
  };
  /** Of components that are registered no more, and still work. */
  readonly #leaving = new Set<RunQueue<CheckpointInfo | Restored>>();
  #closing: Promise<void> | undefined;

  constructor(options: CheckpointsOptions) {
    this.#settings = settingsOf(options);
    this.#backend = options.backend;
    this.#clock = options.clock ?? systemClock;
    this.#randomBytes = options.randomBytes ?? platformRandomBytes;
    this.#overhead = new Overhead(this.#clock);
  }

  /** A checkpoint was kept. */
  onSaved(listener: Listener<CheckpointInfo>): Disposable {
    return this.#saved.subscribe(listener);
  }

  /** A restore had to pass over damaged versions. */
  onFellBack(listener: Listener<CheckpointFallback>): Disposable {
    return this.#fellBack.subscribe(listener);
  }

  onFailed(listener: Listener<CheckpointFailure>): Disposable {
    return this.#failed.subscribe(listener);
  }

  /** Until disposed of. CHECKPOINT_BAD_ID, CHECKPOINT_REGISTERED, CHECKPOINT_TOO_MANY, CHECKPOINT_OPTION. */
  register(component: Checkpointed): Disposable {
    const { id } = component;
    refuseBadId(id);
    whole("formatVersion", component.formatVersion ?? 1, 0, formatVersionLimit);
    this.#refuseIfClosed();
    if (this.#components.has(id))
      throw new HoldfastError("CHECKPOINT_REGISTERED", `${id} is registered already`, { hint: "Use another id." });
    const { componentLimit, queueLimit } = this.#settings;
    if (this.#components.size >= componentLimit)
      throw new HoldfastError("CHECKPOINT_TOO_MANY", `${componentLimit} components are registered already`, {
        hint: "Raise componentLimit.",
      });
    const registered = {
      component,
      queue: new RunQueue<CheckpointInfo | Restored>(id, queueLimit),
      damaged: new Set<number>(),
    };
    this.#components.set(id, registered);
    return {
      [Symbol.dispose]: () => {
        if (this.#components.get(id) !== registered) return;
        this.#components.delete(id);
        this.#leaving.add(registered.queue);
        void registered.queue.idle().then(() => this.#leaving.delete(registered.queue));
      },
    };
  }

  /**
   * Keeps the component's state as a new version. Rejects with CHECKPOINT_CONFLICT, CHECKPOINT_WRITE_FAILED,
   * CHECKPOINT_UNCERTAIN (it may be kept all the same), CHECKPOINT_POISONED, CHECKPOINT_TOO_LARGE, CHECKPOINT_BUSY,
   * what `save` threw, or the signal's reason. Calls without an expectation that come while one runs share the next.
   */
  async checkpoint(id: string, options: CheckpointOptions = {}): Promise<CheckpointInfo> {
    const { expectedVersion, signal } = options;
    if (expectedVersion !== undefined) whole("expectedVersion", expectedVersion, 0, Number.MAX_SAFE_INTEGER);
    const registered = this.#registered(id);
    const shareKey = expectedVersion === undefined ? "checkpoint" : undefined;
    const work = (runSignal: AbortSignal): Promise<CheckpointInfo> =>
      this.#save(registered, expectedVersion, runSignal);
    return (await registered.queue.submit({ shareKey, work, signal })) as CheckpointInfo;
  }

  /** Every registered component, one after the other; a failure of one is its outcome and stops no other one. */
  async checkpointAll(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<CheckpointOutcome[]> {
    const outcomes: CheckpointOutcome[] = [];
    for (const id of [...this.#components.keys()]) {
      options.signal?.throwIfAborted();
      try {
        outcomes.push({ id, info: await this.checkpoint(id, options) });
      } catch (error) {
        options.signal?.throwIfAborted();
        outcomes.push({ id, error });
      }
    }
    return outcomes;
  }

  /**
   * Hands a kept state to the component. Rejects with CHECKPOINT_NONE, CHECKPOINT_DAMAGED (with every version that was
   * tried), CHECKPOINT_FORMAT (a newer program's), CHECKPOINT_REJECTED (the component threw), or the signal's reason.
   */
  async restore(id: string, options: RestoreOptions = {}): Promise<Restored> {
    const { version = "latest", signal } = options;
    if (version !== "latest") whole("version", version, 1, Number.MAX_SAFE_INTEGER);
    const registered = this.#registered(id);
    const work = (runSignal: AbortSignal): Promise<Restored> => this.#restore(registered, version, runSignal);
    return (await registered.queue.submit({ shareKey: undefined, work, signal })) as Restored;
  }

  /** The versions that are kept, ascending, good or not. */
  async list(id: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<readonly number[]> {
    refuseBadId(id);
    this.#refuseIfClosed();
    return (await this.#backend.list(id, options)).versions;
  }

  /** Reads every version that is kept in full and says of each what it is; ascending. */
  async verify(id: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<VerifiedVersion[]> {
    const verified: VerifiedVersion[] = [];
    for (const version of await this.list(id, options)) {
      const reading = await readVersion(id, version, this.#search(options.signal));
      if (reading === undefined) continue;
      if (reading.verdict === "good") verified.push({ version, verdict: "good", info: reading.info });
      else if (reading.verdict === "damaged") {
        this.#components.get(id)?.damaged.add(version);
        verified.push({ version, verdict: "damaged", reason: reading.reason });
      } else verified.push({ version, verdict: "unknown-format", reason: `format ${reading.format}` });
    }
    return verified;
  }

  /** Removes what is older than the newest `keep` good versions (at least 2); the removed versions, ascending. */
  async prune(
    id: string,
    options: { readonly keep?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<readonly number[]> {
    const keep = whole("keep", options.keep ?? this.#settings.keep, 2, 1_000_000);
    return await this.#prune(id, await this.list(id, options), keep, options.signal);
  }

  async #prune(
    id: string,
    versions: readonly number[],
    keep: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly number[]> {
    const damaged = this.#components.get(id)?.damaged;
    const good = versions.filter((version) => damaged?.has(version) !== true);
    const oldest = good.at(-keep);
    if (oldest === undefined) return [];
    const removed: number[] = [];
    for (const version of versions.filter((one) => one < oldest)) {
      await this.#backend.delete(id, version, { signal });
      damaged?.delete(version);
      removed.push(version);
      this.#counts.pruned++;
    }
    return removed;
  }

  /** What the work comes to; its time is what checkpoint time is compared with. */
  timeWork<T>(work: () => T): T {
    const end = this.#overhead.beginWork();
    try {
      const outcome = work();
      if (!(outcome instanceof Promise)) {
        end();
        return outcome;
      }
      return outcome.finally(end) as T;
    } catch (error) {
      end();
      throw error;
    }
  }

  statistics(): CheckpointStatistics {
    return { ...this.#counts, ...this.#overhead.read() };
  }

  /** What waits is refused with CHECKPOINT_CLOSED, what runs is waited for, the backend is closed. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const reason = new HoldfastError("CHECKPOINT_CLOSED", "the checkpoints are closed");
    const queues = [...[...this.#components.values()].map(({ queue }) => queue), ...this.#leaving];
    await Promise.all(queues.map((queue) => queue.close(reason)));
    await this.#backend.close?.();
  }

  async #save(registered: Registered, expected: number | undefined, signal: AbortSignal): Promise<CheckpointInfo> {
    const { component } = registered;
    const { id } = component;
    const end = this.#overhead.beginCheckpoint();
    try {
      const state = await component.save({ signal });
      this.#refuseBadState(id, state);
      const { info, bytes, versions } = await this.#keep(component, state, expected, signal);
      this.#counts.checkpoints++;
      this.#counts.bytesWritten += bytes.length;
      this.#saved.publish(info);
      try {
        await this.#prune(id, versions, this.#settings.keep, signal);
      } catch (error) {
        this.#tellFailure(id, "prune", error, signal);
      }
      return info;
    } catch (error) {
      this.#tellFailure(id, "checkpoint", error, signal);
      throw error;
    } finally {
      end();
    }
  }

  /**
   * Under a version of its own: each try has a new one, as somebody else or a failure may have taken the last. Comes
   * with the versions that are there then; others may have added newer ones, which only makes these older.
   */
  async #keep(
    component: Checkpointed,
    state: Uint8Array,
    expected: number | undefined,
    signal: AbortSignal,
  ): Promise<Envelope & { readonly versions: readonly number[] }> {
    const { id, formatVersion = 1 } = component;
    let isUncertain = false;
    for (let races = 0; ; races++) {
      const { versions, next } = await this.#backend.list(id, { signal });
      const parent = versions.at(-1);
      const isExpected = expected === undefined || expected === (parent ?? 0);
      if (!isExpected) throw conflict(id, expected, parent ?? 0); // mutant: checkpoint-expected
      if (!Number.isSafeInteger(next)) throw exhausted(id);
      const envelope = encodeEnvelope(state, {
        id,
        version: next,
        parent,
        createdMs: this.#clock.nowMs(),
        formatVersion,
        nonce: this.#randomBytes(16),
      });
      try {
        const isKept = await this.#backend.put(id, next, envelope.bytes, { signal });
        if (isKept) return { ...envelope, versions: [...versions, next] };
      } catch (error) {
        // Nobody else can have written, so a second one is safe; where that fails too, the place is not to be trusted.
        if (isUncertain || !this.#backend.capabilities.exclusive || !hasCode(error, "CHECKPOINT_UNCERTAIN"))
          throw error;
        isUncertain = true;
        continue;
      }
      if (expected !== undefined || races >= racesLimit) throw conflict(id, expected ?? parent ?? 0, next);
    }
  }

  async #restore(registered: Registered, version: number | "latest", signal: AbortSignal): Promise<Restored> {
    const { component, damaged } = registered;
    const { id, formatVersion = 1 } = component;
    try {
      const search = this.#search(signal);
      const found = version === "latest" ? await findNewest(id, search) : await findVersion(id, version, search);
      const { info, state, fellBack } = found;
      for (const one of fellBack) damaged.add(one.version);
      if (fellBack.length > 0) this.#tellFallback({ id, version: info.version, fellBack });
      if (info.formatVersion > formatVersion) throw tooNew(info, formatVersion);
      signal.throwIfAborted();
      await handOver(component, state, info);
      this.#counts.restores++;
      return { version: info.version, info, fellBack };
    } catch (error) {
      this.#tellFailure(id, "restore", error, signal);
      throw error;
    }
  }

  #search(signal: AbortSignal | undefined) {
    return { backend: this.#backend, limitBytes: this.#settings.limitBytes, signal };
  }

  #tellFallback(event: CheckpointFallback): void {
    this.#counts.fallbacks++;
    this.#fellBack.publish(event);
  }

  #tellFailure(id: string, operation: CheckpointFailure["operation"], error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    if (hasCode(error, "CHECKPOINT_CONFLICT")) this.#counts.conflicts++;
    else this.#counts.failures++;
    this.#failed.publish({ id, operation, error });
  }

  #refuseBadState(id: string, state: unknown): asserts state is Uint8Array {
    if (!(state instanceof Uint8Array))
      throw new HoldfastError("CHECKPOINT_BAD_STATE", `save of ${id} did not return a Uint8Array`, {
        hint: "Encode the state as bytes, for example with new TextEncoder().encode(JSON.stringify(state)).",
      });
    const { limitBytes } = this.#settings;
    if (state.length <= limitBytes) return;
    throw new HoldfastError("CHECKPOINT_TOO_LARGE", `the state of ${id} has ${state.length} bytes of ${limitBytes}`, {
      hint: "Save less, or raise limitBytes.",
      details: { id, sizeBytes: state.length, limitBytes },
    });
  }

  #registered(id: string): Registered {
    refuseBadId(id);
    this.#refuseIfClosed();
    const registered = this.#components.get(id);
    if (registered !== undefined) return registered;
    throw new HoldfastError("CHECKPOINT_UNKNOWN", `${id} is not registered`, {
      hint: "Call register with a component of this id first.",
    });
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw new HoldfastError("CHECKPOINT_CLOSED", "the checkpoints are closed");
  }
}

async function handOver(component: Checkpointed, state: Uint8Array, info: CheckpointInfo): Promise<void> {
  try {
    await component.restore(state, info);
  } catch (cause) {
    const why = errorText(cause);
    throw new HoldfastError("CHECKPOINT_REJECTED", `${info.id} did not take version ${info.version}: ${why}`, {
      cause,
      hint: "The bytes are those that were saved: look at the component's restore.",
      details: { id: info.id, version: info.version },
    });
  }
}

function conflict(id: string, expected: number, found: number): HoldfastError {
  return new HoldfastError("CHECKPOINT_CONFLICT", `${id} is at version ${found}, where ${expected} was expected`, {
    hint: "Another writer came first: restore its version, then decide anew.",
    details: { id, expected, found },
  });
}

function exhausted(id: string): HoldfastError {
  return new HoldfastError("CHECKPOINT_EXHAUSTED", `${id} has used the last version there is`, {
    hint: "Somebody kept one under a number that is far too high: begin with another id or place.",
  });
}

function tooNew(info: CheckpointInfo, known: number): HoldfastError {
  const { id, version, formatVersion } = info;
  return new HoldfastError(
    "CHECKPOINT_FORMAT",
    `version ${version} of ${id} holds a state of format ${formatVersion}, this program knows up to ${known}`,
    {
      hint: "Use the program that wrote it or a newer one, or restore an older version by its number.",
      details: { id, version, formatVersion, known },
    },
  );
}
