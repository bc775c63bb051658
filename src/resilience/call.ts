/**
 * What a guarded call is: an operation, the context it is told of, and the policies that stand around it.
 *
 * A policy hands its context on to what it surrounds, with what it has to add: a retry the number of the attempt, a
 * timeout a signal of its own. So an operation sees the strictest signal of all, however policies are composed.
 *
 * Who listens to the caller: a policy that was given plain options is the outermost one and ends the promise it handed
 * out when the signal aborts, whatever its operation does (`untilCallerLeaves`). One that was given a context stands
 * inside another: it ends its own waiting on that context's signal, and for the rest tells the truth about when the
 * operation ended. So a call has one listener for the caller, and a count of what still runs stays right.
 */

import { untilAborted } from "../base/index.ts";

/** What a caller may say of a call. A context is one too: that is how policies nest. */
export interface RunOptions {
  /** Ends the call within one turn, wherever it waits; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Something that stays taken as long as the call's operation runs, heard or not: the slot of a bulkhead. */
export interface Hold {
  retain(): void;
  release(): void;
}

/** A signal that is made when it is asked for, and what there is to know of it before: a LinkedController is one. */
export interface SignalSource {
  readonly signal: AbortSignal;
  readonly aborted: boolean;
  readonly reason: unknown;
}

interface Changes {
  readonly signal?: AbortSignal | SignalSource;
  readonly attempt?: number;
  readonly isHedge?: boolean;
  readonly isExtra?: boolean;
  readonly hold?: Hold;
  readonly budget?: object;
}

/** What an operation is told about the call it serves. */
export class CallContext implements RunOptions {
  /** 1 for the first try. */
  readonly attempt: number;
  /** True for a second copy of the call, started because the first is slow. */
  readonly isHedge: boolean;
  /** True where a policy outside has added this run to the call: a further attempt, or a hedge. */
  readonly isExtra: boolean;
  /** The innermost hold there is; it stands for those outside it too. */
  readonly hold: Hold | undefined;
  /** The retry budget that this call has already paid into. */
  readonly budget: object | undefined;
  readonly #source: AbortSignal | SignalSource | undefined;

  constructor(
    signal?: AbortSignal | SignalSource,
    attempt = 1,
    isHedge = false,
    isExtra = isHedge || attempt > 1,
    hold?: Hold,
    budget?: object,
  ) {
    this.#source = signal;
    this.attempt = attempt;
    this.isHedge = isHedge;
    this.isExtra = isExtra;
    this.hold = hold;
    this.budget = budget;
  }

  /**
   * Aborts when nobody wants the result any more. Where nobody can say so it is one that never aborts, new each time it
   * is asked for: what listens to it is then kept by nothing.
   */
  get signal(): AbortSignal {
    return this.callerSignal ?? new AbortController().signal;
  }

  /** As `signal`, without making one: undefined where nothing can abort the call. */
  get callerSignal(): AbortSignal | undefined {
    const source = this.#source;
    return source !== undefined && "signal" in source ? source.signal : source;
  }

  /** False where nothing can abort the call. */
  get isAbortable(): boolean {
    return this.#source !== undefined;
  }

  /** As of the signal, without making one. */
  get aborted(): boolean {
    return this.#source?.aborted === true;
  }

  /** What the signal was aborted with. */
  get reason(): unknown {
    return this.#source?.reason;
  }

  /** Throws the signal's reason where nobody wants the result any more. */
  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** The same call with something else about it. */
  with({
    signal = this.#source,
    attempt = this.attempt,
    isHedge = this.isHedge,
    isExtra = this.isExtra,
    hold = this.hold,
    budget = this.budget,
  }: Changes): CallContext {
    return new CallContext(signal, attempt, isHedge, isExtra, hold, budget);
  }

  static of(options: RunOptions | undefined): CallContext {
    if (options instanceof CallContext) return options;
    // A signal of null is none: that is how fetch has it.
    return options?.signal ? new CallContext(options.signal) : outermost;
  }
}

/** Of every call of which nothing was said. */
const outermost = /* @__PURE__ */ new CallContext();

/**
 * What an outermost policy answers its caller with: what `work` comes to, or the signal's reason within one turn. A
 * policy inside another answers with the work itself.
 */
export function untilCallerLeaves<T>(work: Promise<T>, options: RunOptions | undefined): Promise<T> {
  return options instanceof CallContext || !options?.signal ? work : untilAborted(work, options.signal);
}

/** Says that this work goes on after its call was answered: what the call holds stays held till it ends. */
export function holdUntilEnd({ hold }: CallContext, work: Promise<unknown>): void {
  if (hold === undefined) return;
  hold.retain();
  const release = (): void => hold.release();
  work.then(release, release);
}

export type Operation<T> = (context: CallContext) => PromiseLike<T> | T;

/** Where the type of a policy keeps what it may answer with. No policy has such a property. */
export declare const alternative: unique symbol;

/**
 * Something that stands around a call. `Alternative` is what it may answer with in place of the operation's result; a
 * class that has one declares `[alternative]`, so that a pipe can tell.
 */
export interface Policy<Alternative = never> {
  /** Rejects with the operation's own error, the policy's refusal (a HoldfastError), or the signal's reason. */
  run<T>(operation: Operation<T>, options?: RunOptions): Promise<T | Alternative>;
  readonly [alternative]?: () => Alternative;
}

/** What a policy may answer with in place of the operation's result; never where it has no such type. */
export type AlternativeOf<P> = P extends { readonly [alternative]?: infer Kept }
  ? Kept extends () => infer A
    ? A
    : never
  : never;
