/** A hold on a breaker by hand (SPEC R6). Dispose of it to let go. */

import type { IsolationHold } from "./machine.ts";

export class Isolation implements IsolationHold, Disposable {
  readonly reason: string;
  /** By the monotonic clock; Infinity where only a release ends it. */
  readonly expiresAtMs: number;
  readonly #release: () => void;

  constructor(reason: string, expiresAtMs: number, release: () => void) {
    this.reason = reason;
    this.expiresAtMs = expiresAtMs;
    this.#release = release;
  }

  release(): void {
    this.#release();
  }

  [Symbol.dispose](): void {
    this.#release();
  }
}
