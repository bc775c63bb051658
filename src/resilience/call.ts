/**
 * What a guarded call is: an operation, the context it is told of, and the policies that stand around it.
 *
 * A policy hands its context on to what it surrounds, with what it has to add: a retry the number of the attempt, a
 * timeout a signal of its own. So an operation sees the strictest signal of all, however policies are composed.
 */

/** What a caller may say of a call. A context is one too: that is how policies nest. */
export interface RunOptions {
  /** Ends the call within one turn, wherever it waits; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What an operation is told about the call it serves. */
export class CallContext implements RunOptions {
  /** 1 for the first try. */
  readonly attempt: number;
  /** True for a second copy of the call, started because the first is slow. */
  readonly isHedge: boolean;
  #signal: AbortSignal | undefined;

  constructor(signal?: AbortSignal, attempt = 1, isHedge = false) {
    this.#signal = signal;
    this.attempt = attempt;
    this.isHedge = isHedge;
  }

  /**
   * Aborts when nobody wants the result any more. Where nobody can say so it is one that never aborts, new each time it
   * is asked for: what listens to it is then kept by nothing.
   */
  get signal(): AbortSignal {
    return this.#signal ?? new AbortController().signal;
  }

  /** As `signal`, without making one: undefined where nothing can abort the call. */
  get callerSignal(): AbortSignal | undefined {
    return this.#signal;
  }

  /** The same call with something else about it. */
  with(changes: { readonly signal?: AbortSignal; readonly attempt?: number; readonly isHedge?: boolean }): CallContext {
    return new CallContext(
      changes.signal ?? this.#signal,
      changes.attempt ?? this.attempt,
      changes.isHedge ?? this.isHedge,
    );
  }

  static of(options: RunOptions | undefined): CallContext {
    if (options === undefined) return outermost;
    return options instanceof CallContext ? options : new CallContext(options.signal);
  }
}

/** Of every call of which nothing was said. */
const outermost = /* @__PURE__ */ new CallContext();

export type Operation<T> = (context: CallContext) => PromiseLike<T> | T;

/** Something that stands around a call. `Alternative` is what it may answer with in place of the operation's result. */
export interface Policy<Alternative = never> {
  /** Rejects with the operation's own error, the policy's refusal (a HoldfastError), or the signal's reason. */
  run<T>(operation: Operation<T>, options?: RunOptions): Promise<T | Alternative>;
}
