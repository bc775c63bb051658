/** Time as the pool sees it, so that tests and simulations can bring their own. */

export interface CellClock {
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Calls back once after the delay; the returned function calls it off. A background timer does not keep Node alive. */
  schedule(delayMs: number, callback: () => void, options?: { readonly background?: boolean }): () => void;
}

export const systemClock: CellClock = {
  monotonicMs: () => performance.now(),
  schedule(delayMs, callback, options) {
    const timer = setTimeout(callback, delayMs);
    if (options?.background === true) timer.unref();
    return () => clearTimeout(timer);
  },
};
