/**
 * Leave for one call, for those whose work is no function: a stream, a callback, a lock held over several steps. Says
 * the verdict once; what is disposed of without one was neutral.
 */

import type { Outcome } from "./state.ts";

export class Permit implements Disposable {
  #settle: ((outcome: Outcome, error?: unknown) => void) | undefined;

  constructor(settle: (outcome: Outcome, error?: unknown) => void) {
    this.#settle = settle;
  }

  succeed(): void {
    this.#say("success");
  }

  /** Counts as a failure, unless the breaker's `classifyError` says otherwise. */
  fail(error?: unknown): void {
    this.#say("failure", error);
  }

  /** Neutral: the call says nothing about what the breaker guards. */
  ignore(): void {
    this.#say("neutral");
  }

  [Symbol.dispose](): void {
    this.#say("neutral");
  }

  #say(outcome: Outcome, error?: unknown): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(outcome, error);
  }
}
