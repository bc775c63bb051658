/**
 * A window over the last calls of a breaker: how many there were, how many failed, how many were slow. There are two
 * kinds, each with a function of its own, so that who uses one ships one, and who uses none ships none:
 * `countWindow` and `timeWindow`. O(1) an entry and free of allocation. Both are exact for what they say they cover;
 * nothing is rounded before it is compared.
 */

import type { Complete } from "../option.ts";
import { above, refuse, whole } from "./check-option.ts";

export interface Window {
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
  push(failed: boolean, slow: boolean, nowMs: number): void;
  /** Leaves out what is too old by now. */
  expire(nowMs: number): void;
  clear(): void;
  /** Whole numbers from which `load` makes the same window again. */
  dump(nowMs: number): number[];
  /** False where the numbers cannot be a window like this one; it is then empty. */
  load(numbers: readonly number[], nowMs: number): boolean;
}

/** What opens a breaker by its window; at least one of `failureRate` and `slowRate`. */
export interface WindowLimits {
  /** Opens at this share of failures, above 0 and at most 1. */
  readonly failureRate?: number | undefined;
  /** Opens at this share of slow calls; needs `slowCallMs`. */
  readonly slowRate?: number | undefined;
  /** From how long on a call is slow. */
  readonly slowCallMs?: number | undefined;
  /** Fewer calls in the window open nothing. Default 10. */
  readonly minimumCalls?: number | undefined;
}

/** A window that a breaker can be given: what it is, and one of it for each breaker. */
export interface WindowRule extends Complete<WindowLimits> {
  /** It goes by time and has to be told it. */
  readonly timed: boolean;
  create(): Window;
}

/** Infinity stands for a limit that is not there. Throws BREAKER_OPTION. */
export function limitsOf(options: WindowLimits): Complete<WindowLimits> {
  const { failureRate, slowRate, slowCallMs } = options;
  if (failureRate === undefined && slowRate === undefined) {
    refuse("window", options, "given at least one of failureRate and slowRate");
  }
  if (slowRate !== undefined && slowCallMs === undefined) refuse("window's slowCallMs", slowCallMs, "a time");
  return {
    failureRate: failureRate === undefined ? Infinity : above("window's failureRate", failureRate, 1),
    slowRate: slowRate === undefined ? Infinity : above("window's slowRate", slowRate, 1),
    slowCallMs: slowCallMs === undefined ? Infinity : above("window's slowCallMs", slowCallMs),
    minimumCalls: whole("window's minimumCalls", options.minimumCalls ?? 10, 1, 1e9),
  };
}
