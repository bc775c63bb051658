/**
 * Answers with something else where a call fails.
 *
 * A caller who left is not answered: the abort passes through. An alternative that fails itself rejects with
 * FALLBACK_FAILED, whose cause holds both errors, the operation's first: neither hides the other.
 */

import { HoldfastError, type Listener, Topic } from "../../base/index.ts";
import {
  type alternative,
  CallContext,
  type Operation,
  type Policy,
  type RunOptions,
  untilCallerLeaves,
} from "../call.ts";
import type { Condition } from "../condition.ts";
import { knownOptions, nameOption } from "../option.ts";
import { type FailurePredicate, failureVariables, filterOption } from "./failure-filter.ts";

export interface FallbackOptions {
  /** Names the policy in its errors and events. Default "fallback". */
  readonly name?: string | undefined;
  /**
   * Which errors it is for. Default: all. Expressions know `attempt`, `error_code`, `retryable`, `retry_after` and
   * `timeout`.
   */
  readonly when?: Condition | FailurePredicate | undefined;
}

export interface FallbackEvent {
  readonly name: string;
  readonly error: unknown;
}

export interface FallbackStatistics {
  readonly calls: number;
  /** Calls answered with the alternative. */
  readonly used: number;
  /** Calls whose alternative failed too. */
  readonly failed: number;
}

const owner = { name: "fallback", code: "FALLBACK_OPTION" } as const;
const optionNames = ["name", "when"];

/** Makes an alternative from the error. */
export type MakeAlternative<A> = (error: unknown, context: CallContext) => PromiseLike<A> | A;

export class FallbackPolicy<A> implements Policy<A> {
  declare readonly [alternative]?: () => A;
  readonly name: string;
  readonly #alternative: MakeAlternative<A>;
  readonly #when: Condition | FailurePredicate | undefined;
  readonly #topic = new Topic<FallbackEvent>("fallback.used");
  readonly #counts = { calls: 0, used: 0, failed: 0 };

  constructor(alternative: MakeAlternative<A>, options: FallbackOptions) {
    knownOptions(owner, options, optionNames);
    this.name = nameOption(owner, options.name, "fallback");
    this.#alternative = alternative;
    this.#when = filterOption(owner, "when", options.when);
  }

  run<T>(operation: Operation<T>, options?: RunOptions): Promise<T | A> {
    return untilCallerLeaves(this.#run(operation, CallContext.of(options)), options);
  }

  statistics(): FallbackStatistics {
    return { ...this.#counts };
  }

  /** Called when a call is answered with the alternative. */
  onFallback(listener: Listener<FallbackEvent>): Disposable {
    return this.#topic.subscribe(listener);
  }

  async #run<T>(operation: Operation<T>, context: CallContext): Promise<T | A> {
    context.throwIfAborted();
    this.#counts.calls++;
    try {
      return await operation(context);
    } catch (error) {
      context.throwIfAborted();
      return await this.#instead(error, context);
    }
  }

  async #instead(error: unknown, context: CallContext): Promise<A> {
    let isFor = true;
    let alternative: A;
    try {
      isFor = this.#isFor(error, context);
      if (!isFor) throw error;
      if (this.#topic.active) this.#topic.publish({ name: this.name, error });
      alternative = await this.#alternative(error, context);
    } catch (fault) {
      if (!isFor) throw error;
      context.throwIfAborted();
      this.#counts.failed++;
      throw new HoldfastError("FALLBACK_FAILED", `${this.name}: the operation failed, and so did its alternative`, {
        hint: "The cause holds the operation's error, then the alternative's.",
        cause: new AggregateError([error, fault], "an operation failed, and so did its alternative", { cause: fault }),
      });
    }
    this.#counts.used++;
    return alternative;
  }

  #isFor(error: unknown, context: CallContext): boolean {
    if (this.#when === undefined) return true;
    return typeof this.#when === "function"
      ? this.#when(error, context)
      : this.#when.test(failureVariables(error, context));
  }
}

/**
 * Answers with `alternative`, or where that is a function with what it makes of the error. Throws FALLBACK_OPTION; its
 * `run` rejects with the operation's error where `when` says no, and with FALLBACK_FAILED.
 */
export function fallback<A>(alternative: MakeAlternative<A>, options?: FallbackOptions): FallbackPolicy<Awaited<A>>;
export function fallback<const A>(alternative: A, options?: FallbackOptions): FallbackPolicy<Awaited<A>>;
export function fallback<A>(alternative: MakeAlternative<A> | A, options: FallbackOptions = {}): FallbackPolicy<A> {
  const make = typeof alternative === "function" ? (alternative as MakeAlternative<A>) : (): A => alternative;
  return new FallbackPolicy(make, options);
}
