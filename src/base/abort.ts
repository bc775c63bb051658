/**
 * Waiting that ends when the caller wants it to: within the turn in which a signal aborts, and leaving no listener and
 * no timer behind. `AbortSignal.any` is not used: with a parent that lives long it has leaked in several versions of
 * Node.
 */

import { type Clock, systemClock } from "./clock.ts";

/** Who waits on each signal. */
const waiting = /* @__PURE__ */ new WeakMap<AbortSignal, AbortWaiters>();

/**
 * All who wait on one signal, behind one listener, which is there only while somebody waits. A platform's list of
 * listeners is searched through with each that is added, so that calls by the ten thousand on one signal (that of a
 * service's shutdown, say) would be slow by their number squared.
 */
class AbortWaiters {
  readonly #signal: AbortSignal;
  readonly #callbacks = new Set<() => void>();
  readonly #onAbort = (): void => {
    for (const callback of this.#callbacks) {
      this.#callbacks.delete(callback);
      callback();
    }
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(callback: () => void): void {
    if (this.#callbacks.size === 0) this.#signal.addEventListener("abort", this.#onAbort, { once: true });
    this.#callbacks.add(callback);
  }

  remove(callback: () => void): void {
    if (!this.#callbacks.delete(callback) || this.#callbacks.size > 0) return;
    this.#signal.removeEventListener("abort", this.#onAbort);
  }
}

/**
 * Calls back once when the signal aborts; one that has aborted already never does. O(1), with any number waiting. The
 * callback must not throw, and may be added once at a time.
 */
export function addAbortCallback(signal: AbortSignal, callback: () => void): void {
  if (signal.aborted) return;
  let waiters = waiting.get(signal);
  if (waiters === undefined) {
    waiters = new AbortWaiters(signal);
    waiting.set(signal, waiters);
  }
  waiters.add(callback);
}

/** Calls it off. O(1). */
export function removeAbortCallback(signal: AbortSignal, callback: () => void): void {
  waiting.get(signal)?.remove(callback);
}

/** Ends after `delayMs`. Rejects with the signal's reason as soon as that aborts. */
export function delay(
  delayMs: number,
  options: { readonly clock?: Clock; readonly signal?: AbortSignal | undefined; readonly background?: boolean } = {},
): Promise<void> {
  const { clock = systemClock, signal, background = false } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason);
    const onAbort = (): void => {
      stop();
      reject(signal?.reason);
    };
    const stop = clock.schedule(
      delayMs,
      () => {
        if (signal !== undefined) removeAbortCallback(signal, onAbort);
        resolve();
      },
      { background },
    );
    if (signal !== undefined) addAbortCallback(signal, onAbort);
  });
}

/** What `work` comes to, or the signal's reason where that aborts first; the work itself then goes on unheard. */
export function untilAborted<T>(work: PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return Promise.resolve(work);
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    // First of all heard: whatever the signal turns out to be, the work's failure is not left to nobody.
    work.then(
      (value) => {
        removeAbortCallback(signal, onAbort);
        resolve(value);
      },
      (error: unknown) => {
        removeAbortCallback(signal, onAbort);
        reject(error);
      },
    );
    if (signal.aborted) onAbort();
    else addAbortCallback(signal, onAbort);
  });
}

/**
 * A controller that aborts with its parent, until disposed of: then nothing of it is left on the parent. Its signal is
 * made when first asked for: many an operation never asks. `onParentAbort` is called once where the parent aborts
 * before that.
 */
export class LinkedController implements Disposable {
  #controller: AbortController | undefined;
  #aborted = false;
  #reason: unknown;
  #parent: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;

  constructor(parent: AbortSignal | undefined, onParentAbort?: () => void) {
    if (parent === undefined) return;
    this.#onAbort = () => {
      this.#parent = undefined;
      this.abort(parent.reason);
      onParentAbort?.();
    };
    this.#parent = parent;
    if (parent.aborted) this.#onAbort();
    else addAbortCallback(parent, this.#onAbort);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  /** What it was aborted with. */
  get reason(): unknown {
    return this.#reason;
  }

  /** As of an AbortController: without a reason it is an AbortError, and only the first call does anything. */
  abort(reason: unknown = new DOMException("This operation was aborted", "AbortError")): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  [Symbol.dispose](): void {
    if (this.#onAbort === undefined || this.#parent === undefined) return;
    removeAbortCallback(this.#parent, this.#onAbort);
    this.#parent = undefined;
  }
}
