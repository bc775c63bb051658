/**
 * The only home of time. Everything that waits, or says when, takes a `Clock`, so that a simulation can bring its own.
 */

export interface Clock {
  /** Milliseconds since 1970, for people and records; may jump. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start, for durations and deadlines; never goes back, may stop in a suspend. */
  monotonicMs(): number;
  /**
   * Calls back once after the delay; the returned function calls it off. A background timer does not keep Node alive.
   * A delay may be of any length; one of `Infinity` never calls back.
   */
  schedule(delayMs: number, callback: () => void, options?: { readonly background?: boolean }): () => void;
}

/** What a platform timer can wait at most: a longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

/** Looked up once: as a property of the global object it costs a sixth of a reading. */
const platform = performance;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => platform.now(),
  schedule(delayMs, callback, options) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wait = (leftMs: number): void => {
      if (leftMs === Infinity) return;
      const stepMs = Math.min(leftMs, longestTimerMs);
      timer = setTimeout(() => (leftMs > stepMs ? wait(leftMs - stepMs) : callback()), stepMs);
      if (options?.background === true) timer.unref?.();
    };
    wait(delayMs);
    return () => clearTimeout(timer);
  },
};
