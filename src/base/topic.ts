/**
 * Typed events. A component has a `Topic` for each kind of thing it tells, and offers `onX(listener)`, which returns
 * what ends the subscription.
 *
 * Listeners change nothing: one that throws or rejects is reported and the others are still called; one that never
 * settles is not waited for; and what a listener causes to be published is delivered after the present event has
 * reached everybody, so all listeners see all events in one order.
 *
 * Everything published is published on the `node:diagnostics_channel` named `holdfast:TOPIC` as well, where there is
 * one. Nobody listening costs a comparison.
 */

import { addAbortCallback, removeAbortCallback } from "./abort.ts";
import { errorText } from "./error-text.ts";
import { isThenable } from "./thenable.ts";

export type Listener<Payload> = (payload: Payload) => unknown;

/** The part of `node:diagnostics_channel` used here; browsers have none. */
interface Channel {
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}

/** A listener failed. Published on `holdfast:listener.failed`; a process warning where nobody subscribed to that. */
export interface ListenerFailure {
  readonly topic: string;
  readonly error: unknown;
}

const channels = new Map<string, Channel | undefined>();
const deliveries: (() => void)[] = [];
const warned = new Set<string>();
let delivering = false;

export class Topic<Payload> {
  /** LAYER.EVENT, as in "breaker.state". */
  readonly name: string;
  #listeners: readonly Listener<Payload>[] | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** True where publishing would reach anybody: a reason not to build a payload. */
  get active(): boolean {
    return this.#listeners !== undefined || channelOf(this.name)?.hasSubscribers === true;
  }

  /** Calls the listener for each event from now on, until disposed of. The same listener twice is two subscriptions. */
  subscribe(listener: Listener<Payload>): Disposable {
    const own: Listener<Payload> = (payload) => listener(payload);
    this.#listeners = [...(this.#listeners ?? []), own];
    return {
      [Symbol.dispose]: () => {
        const left = this.#listeners?.filter((one) => one !== own) ?? [];
        this.#listeners = left.length === 0 ? undefined : left;
      },
    };
  }

  publish(payload: Payload): void {
    if (!this.active) return;
    deliveries.push(() => this.#deliver(payload));
    if (delivering) return;
    delivering = true;
    try {
      for (let next = deliveries.shift(); next !== undefined; next = deliveries.shift()) next();
    } finally {
      delivering = false;
    }
  }

  #deliver(payload: Payload): void {
    const channel = channelOf(this.name);
    if (channel?.hasSubscribers === true) channel.publish(payload);
    for (const listener of this.#listeners ?? []) {
      try {
        const outcome = listener(payload);
        if (isThenable(outcome)) outcome.then(undefined, (error: unknown) => reportFailure(this.name, error));
      } catch (error) {
        reportFailure(this.name, error);
      }
    }
  }
}

/**
 * The events as they come, for `for await`: all from this call on, until the signal aborts or the loop is left (or
 * `return` is called). At most `limit` (default 1,024) wait to be taken; beyond that the oldest are dropped, and
 * `onDropped` is told how many.
 */
export function eventsOf<Payload>(
  subscribe: (listener: Listener<Payload>) => Disposable,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly limit?: number | undefined;
    readonly onDropped?: ((count: number) => void) | undefined;
  } = {},
): AsyncIterableIterator<Payload, void> & AsyncDisposable {
  const { signal, limit = 1_024, onDropped } = options;
  const waiting: Payload[] = [];
  const takers: ((taken: IteratorResult<Payload, void>) => void)[] = [];
  const last = { done: true, value: undefined } as const;
  let isOver = false;
  const subscription = subscribe((payload) => {
    const take = takers.shift();
    if (take !== undefined) return take({ done: false, value: payload });
    waiting.push(payload);
    if (waiting.length <= limit) return;
    waiting.shift();
    onDropped?.(1);
  });
  const end = (): void => {
    isOver = true;
    waiting.length = 0;
    subscription[Symbol.dispose]();
    if (signal !== undefined) removeAbortCallback(signal, end);
    for (const take of takers.splice(0)) take(last);
  };
  if (signal?.aborted === true) end();
  else if (signal !== undefined) addAbortCallback(signal, end);
  return {
    next: () => {
      if (waiting.length > 0) return Promise.resolve({ done: false, value: waiting.shift()! });
      return isOver ? Promise.resolve(last) : new Promise((resolve) => takers.push(resolve));
    },
    return: () => {
      end();
      return Promise.resolve(last);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      end();
    },
  };
}

function channelOf(name: string): Channel | undefined {
  if (!channels.has(name)) {
    const module = globalThis.process?.getBuiltinModule?.("node:diagnostics_channel");
    channels.set(name, module?.channel(`holdfast:${name}`));
  }
  return channels.get(name);
}

/**
 * For what a listener does wrong, and other code of a user's that is called beside the work and must not stop it.
 * Never throws.
 */
export function reportFailure(topic: string, error: unknown): void {
  const channel = channelOf("listener.failed");
  if (channel?.hasSubscribers === true) {
    channel.publish({ topic, error } satisfies ListenerFailure);
    return;
  }
  if (warned.has(topic)) return;
  warned.add(topic);
  globalThis.process?.emitWarning?.(`a listener of ${topic} failed (said once a topic): ${errorText(error, true)}`, {
    code: "HOLDFAST_LISTENER",
  });
}
