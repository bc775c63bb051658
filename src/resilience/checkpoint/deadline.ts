/** A request to a server ends: with its answer, with the caller's abort, or when its time is over. */

import { type Clock, HoldfastError, LinkedController, untilAborted } from "../../base/index.ts";

export interface Deadline {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** CHECKPOINT_TIMEOUT, or the signal's reason. */
export async function withDeadline<T>(
  what: string,
  { clock, timeoutMs, signal }: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  using linked = new LinkedController(signal);
  const late = (): HoldfastError =>
    new HoldfastError("CHECKPOINT_TIMEOUT", `${what} had no answer after ${timeoutMs} ms`, {
      hint: "Check that the server is up, or raise timeoutMs.",
      retryable: true,
      details: { timeoutMs },
    });
  const stop = clock.schedule(timeoutMs, () => linked.abort(late()), { background: true });
  try {
    return await untilAborted(work(linked.signal), linked.signal);
  } finally {
    stop();
  }
}
