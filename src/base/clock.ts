/**
 * The only home of time. Everything that waits, or says when, takes a `Clock`, so that a simulation can bring its own.
 */

export interface Clock {
  /** Milliseconds since 1970, for people and records; may jump. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start, for durations and deadlines; never goes back. */
  monotonicMs(): number;
  /**
   * Calls back once after the delay; the returned function calls it off. A background timer does not keep Node alive.
   */
  schedule(delayMs: number, callback: () => void, options?: { readonly background?: boolean }): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule(delayMs, callback, options) {
    const timer = setTimeout(callback, delayMs);
    if (options?.background === true) timer.unref();
    return () => clearTimeout(timer);
  },
};
