/**
 * Several policies as one, the outermost first: a call goes through them in the order in which they are read.
 *
 *     const guarded = pipe(fallback(lastKnown), retry(), breaker, timeout({ timeoutMs: 500 }));
 *
 * What an order means:
 *
 * | outside     | inside      | means                                                                                |
 * |-------------|-------------|--------------------------------------------------------------------------------------|
 * | `timeout`   | `retry`     | a bound on all attempts and waits together                                           |
 * | `retry`     | `timeout`   | a bound on each attempt; one that took too long is tried again                       |
 * | `retry`     | breaker     | every attempt counts in the breaker; its refusal is waited for (`retryAfterMs`)      |
 * | breaker     | `retry`     | a call counts once, by how it ended; while open nothing is tried at all              |
 * | `retry`     | `bulkhead`  | a call that waits to try again holds no slot                                         |
 * | `bulkhead`  | `retry`     | it keeps its slot while it waits                                                     |
 * | breaker     | `bulkhead`  | a refusal for want of room is a failure of what is behind, unless excluded there     |
 * | `bulkhead`  | breaker     | a refusal for want of room never reaches the breaker                                 |
 * | `timeout`   | `bulkhead`  | the time in the line counts                                                          |
 * | `bulkhead`  | `timeout`   | only running counts; the slot is held until the operation has ended all the same     |
 * | `hedge`     | breaker     | each copy counts; one that lost the race counts neither way                          |
 * | `rateLimit` | `retry`     | calls are limited                                                                    |
 * | `retry`     | `rateLimit` | attempts are limited, which is what the other side sees                              |
 * | `fallback`  | all others  | anything that fails is answered                                                      |
 *
 * A usual order: fallback, timeout (total), retry, rateLimit, bulkhead, breaker, hedge, timeout (of each attempt).
 */

import {
  type AlternativeOf,
  CallContext,
  type Operation,
  type Policy,
  type RunOptions,
  untilCallerLeaves,
} from "../call.ts";
import { optionError } from "../option.ts";

/** Policies as one. */
export interface Pipe<Policies extends readonly Policy<unknown>[]> extends Policy<AlternativeOf<Policies[number]>> {
  /** The outermost first. */
  readonly policies: Policies;
}

const owner = { name: "pipe", code: "PIPE_OPTION" } as const;

/** Any number of policies as one, the outermost first; none at all is the operation itself. Throws PIPE_OPTION. */
export function pipe<const Policies extends readonly Policy<unknown>[]>(...policies: Policies): Pipe<Policies> {
  for (const [place, policy] of policies.entries()) {
    if (typeof policy?.run !== "function") throw optionError(owner, `policies[${place}]`, policy, "a policy");
  }
  type Alternative = AlternativeOf<Policies[number]>;
  return {
    policies: Object.freeze(policies),
    run: <T>(operation: Operation<T>, options?: RunOptions): Promise<T | Alternative> => {
      const work = descend(policies, operation, CallContext.of(options));
      return untilCallerLeaves(work as Promise<T | Alternative>, options);
    },
  };
}

/** Runs the operation with all policies around it. */
async function descend(
  policies: readonly Policy<unknown>[],
  operation: Operation<unknown>,
  context: CallContext,
): Promise<unknown> {
  context.throwIfAborted();
  let inner = operation;
  for (let place = policies.length - 1; place >= 0; place--) {
    const policy = policies[place]!;
    const next = inner;
    inner = (given) => policy.run(next, given);
  }
  return await inner(context);
}
