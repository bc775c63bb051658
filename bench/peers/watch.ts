/** Calls whose end a case decides, and promises that can be looked at without waiting for them. */

export interface Watched {
  /** As it is now. */
  readonly state: "pending" | "resolved" | "rejected";
  /** What it was resolved with, or the error's message. */
  readonly value: unknown;
}

/** A rejection counts as seen. */
export function watch(promise: Promise<unknown>): Watched {
  const watched: { state: Watched["state"]; value: unknown } = { state: "pending", value: undefined };
  promise.then(
    (value) => Object.assign(watched, { state: "resolved", value }),
    (error: unknown) => Object.assign(watched, { state: "rejected", value: messageOf(error) }),
  );
  return watched;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export const hang = (): Promise<never> => new Promise(() => undefined);

export const fail = (): Promise<never> => Promise.reject(new Error("the service failed"));

export const answer = (): Promise<string> => Promise.resolve("answer");

/** Makes so many calls, one after another, and does not mind how they end. */
export async function each(count: number, call: () => Promise<unknown>): Promise<void> {
  for (let index = 0; index < count; index++) await call().catch(() => undefined);
}
