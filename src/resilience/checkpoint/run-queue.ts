/**
 * What waits for one component. One run at a time, in order; calls that want the same share one that has not begun.
 *
 * A call that comes while a run is going on may be about a state that this run did not see, so it never joins it: it
 * waits for the next one, together with all that come in the meantime. So however many call, one run is going on and
 * one waits; only calls that cannot share (each with a condition of its own) queue up, to a limit.
 *
 * A caller that aborts leaves within the turn. A run that all its callers have left is aborted, and the next begins.
 */

import { HoldfastError, untilAborted } from "../../base/index.ts";

export interface RunRequest<T> {
  /** Calls with the same one share a run. undefined: this call shares none. */
  readonly shareKey: string | undefined;
  readonly work: (signal: AbortSignal) => Promise<T>;
  readonly signal?: AbortSignal | undefined;
}

interface Run<T> {
  readonly shareKey: string | undefined;
  readonly work: (signal: AbortSignal) => Promise<T>;
  readonly outcome: PromiseWithResolvers<T>;
  readonly controller: AbortController;
  callers: number;
}

export class RunQueue<T> {
  readonly #id: string;
  readonly #limit: number;
  #waiting: Run<T>[] = [];
  #working: Promise<void> | undefined;

  constructor(id: string, limit: number) {
    this.#id = id;
    this.#limit = limit;
  }

  /** CHECKPOINT_BUSY where too many wait. */
  async submit({ shareKey, work, signal }: RunRequest<T>): Promise<T> {
    signal?.throwIfAborted();
    const last = this.#waiting.at(-1);
    const run = shareKey !== undefined && last?.shareKey === shareKey ? last : this.#add(shareKey, work);
    run.callers++;
    try {
      return await untilAborted(run.outcome.promise, signal);
    } finally {
      run.callers--;
      if (run.callers === 0 && signal?.aborted === true) {
        this.#waiting = this.#waiting.filter((one) => one !== run);
        run.controller.abort(signal.reason);
      }
    }
  }

  /** When nothing waits or runs any more. */
  async idle(): Promise<void> {
    await this.#working;
  }

  /** What waits is refused; resolves when nothing runs any more. */
  async close(reason: HoldfastError): Promise<void> {
    for (const run of this.#waiting.splice(0)) run.outcome.reject(reason);
    await this.#working;
  }

  #add(shareKey: string | undefined, work: (signal: AbortSignal) => Promise<T>): Run<T> {
    if (this.#waiting.length >= this.#limit)
      throw new HoldfastError("CHECKPOINT_BUSY", `${this.#waiting.length} calls wait for ${this.#id} already`, {
        hint: "Wait for earlier ones to end, or raise queueLimit.",
        retryable: true,
        details: { id: this.#id, waiting: this.#waiting.length },
      });
    const run: Run<T> = {
      shareKey,
      work,
      outcome: Promise.withResolvers<T>(),
      controller: new AbortController(),
      callers: 0,
    };
    // Whoever waits hears of it; that nobody waits any more is no fault.
    run.outcome.promise.catch(() => undefined);
    this.#waiting.push(run);
    this.#working ??= this.#workOff();
    return run;
  }

  async #workOff(): Promise<void> {
    // Those who call in this same turn share the first run too.
    await Promise.resolve();
    for (let run = this.#waiting.shift(); run !== undefined; run = this.#waiting.shift()) {
      const { signal } = run.controller;
      try {
        run.outcome.resolve(await untilAborted(run.work(signal), signal));
      } catch (error) {
        run.outcome.reject(error);
      }
    }
    this.#working = undefined;
  }
}
