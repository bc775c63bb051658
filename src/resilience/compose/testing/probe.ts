/** What tests of policies ask: how a promise ended, whether it ended in time, and what was left behind. */

import { getEventListeners } from "node:events";
import { HoldfastError } from "../../../base/index.ts";

/** How many listen to the signal's abort. */
export function listenersOn(signal: AbortSignal): number {
  return getEventListeners(signal, "abort").length;
}

/** True where the promise has settled before an immediate that is scheduled now is called. */
export async function settlesThisTurn(promise: Promise<unknown>): Promise<boolean> {
  let hasSettled = false;
  const settle = (): void => {
    hasSettled = true;
  };
  promise.then(settle, settle);
  await nextTurn();
  return hasSettled;
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What the promise rejected with. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not reject");
}

/** The code of the Holdfast error that the promise rejected with, or that the function threw. */
export async function codeOf(work: Promise<unknown> | (() => unknown)): Promise<string> {
  const error = await rejectionOf(typeof work === "function" ? Promise.resolve().then(work) : work);
  if (!HoldfastError.is(error)) throw error;
  return error.code;
}

/** A promise and what settles it. */
export interface Pending<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

export function pending<T = unknown>(): Pending<T> {
  return Promise.withResolvers<T>();
}

/** An operation that never ends and pays no attention to its signal. */
export const hang = (): Promise<never> => new Promise(() => {});
