/** A hold on a breaker by hand (SPEC R6). Released, or disposed of, it lets go. */

import type { IsolationHold } from "./machine.ts";

export interface Isolation extends IsolationHold, Disposable {
  release(): void;
}
