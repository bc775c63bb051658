/**
 * Waiting that ends when the caller wants it to: within the turn in which a signal aborts, and leaving no listener and
 * no timer behind. `AbortSignal.any` is not used: with a parent that lives long it has leaked in several versions of
 * Node.
 */

import { type Clock, systemClock } from "./clock.ts";

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
        signal?.removeEventListener("abort", onAbort);
        resolve();
      },
      { background },
    );
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** What `work` comes to, or the signal's reason where that aborts first; the work itself then goes on unheard. */
export function untilAborted<T>(work: PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return Promise.resolve(work);
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    work.then(
      (value) => {
        signal.removeEventListener("abort", onAbort);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener("abort", onAbort);
        reject(error);
      },
    );
  });
}

/** A controller that aborts with its parent, until disposed of: then nothing of it is left on the parent. */
export class LinkedController implements Disposable {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#controller.abort(this.#parent?.reason);

  constructor(parent: AbortSignal | undefined) {
    this.#parent = parent;
    if (parent?.aborted === true) this.#onAbort();
    else parent?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#parent?.removeEventListener("abort", this.#onAbort);
  }
}
