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
    else parent.addEventListener("abort", this.#onAbort, { once: true });
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
    if (this.#onAbort !== undefined) this.#parent?.removeEventListener("abort", this.#onAbort);
    this.#parent = undefined;
  }
}
