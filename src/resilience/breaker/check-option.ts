/**
 * Checks of numbers that somebody gave as an option. Each throws BREAKER_OPTION: which, what it was, what it may be.
 */

import { errorText, HoldfastError } from "../../base/index.ts";

/** A year: what is longer is a mistake of units. */
export const longestMs = 366 * 86_400_000;

export function whole(option: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value)) refuse(option, value, `a whole number from ${least} to ${most}`);
  return within(option, value, least, most);
}

export function within(option: string, value: number, least: number, most = longestMs): number {
  if (typeof value !== "number" || !(value >= least && value <= most)) refuse(option, value, `${least} to ${most}`);
  return value;
}

export function above(option: string, value: number, most = longestMs): number {
  if (typeof value !== "number" || !(value > 0 && value <= most)) refuse(option, value, `above 0, at most ${most}`);
  return value;
}

export function refuse(option: string, value: unknown, allowed: string): never {
  throw new HoldfastError(
    "BREAKER_OPTION",
    `a circuit breaker's ${option} is ${errorText(value)}: it may be ${allowed}`,
    { details: { option, allowed } },
  );
}
