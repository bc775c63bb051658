/** Holdfast's own. */
import {
  bulkhead,
  type CircuitBreaker,
  type CircuitBreakerOptions,
  circuitBreaker,
  countWindow,
  keyedBreakers,
  type Policy,
  pipe,
  retry,
  timeout,
  timeWindow,
} from "../../src/resilience/index.ts";
import type { AsyncContender, Contender, SyncContender } from "./contender.ts";

type OpensOn = NonNullable<CircuitBreakerOptions["opensOn"]>;

const openMs = 3_600_000;
const timeoutMs = 10_000;

const kinds: Readonly<Record<string, OpensOn>> = {
  consecutive: { averageRate: false },
  "as it comes": {},
  "with a window of calls": { window: countWindow({ calls: 100, failureRate: 0.5 }) },
  "with a window of time": { window: timeWindow({ durationMs: 10_000, failureRate: 0.5 }) },
  "with slow calls": { window: timeWindow({ durationMs: 10_000, failureRate: 0.5, slowRate: 0.5, slowCallMs: 1_000 }) },
};

export const holdfastContenders: readonly Contender[] = [
  ...Object.entries(kinds).flatMap(([kind, opensOn]) => [asyncBreaker(kind, opensOn), syncBreaker(kind, opensOn)]),
  pipeOf("pipe(retry, timeout, breaker)", (breaker) => pipe(retry(), timeout({ timeoutMs }), breaker)),
  pipeOf("pipe(retry, bulkhead, timeout, breaker)", (breaker) =>
    pipe(retry(), bulkhead({ concurrency: 16, queueLimit: 16 }), timeout({ timeoutMs }), breaker),
  ),
];

function pipeOf(name: string, around: (breaker: CircuitBreaker) => Policy): AsyncContender {
  return {
    name: `holdfast, ${name}`,
    row: "pipe",
    role: "holdfast",
    kind: "async",
    takesSignal: true,
    make: () => {
      const policy = around(breakerOf({ averageRate: false }));
      return (call, signal) => (signal === undefined ? policy.run(call) : policy.run(call, { signal }));
    },
  };
}

function asyncBreaker(kind: string, opensOn: OpensOn): AsyncContender {
  return {
    name: `holdfast, ${kind}`,
    row: "breaker",
    role: "holdfast",
    kind: "async",
    takesSignal: true,
    make: () => {
      const breaker = breakerOf(opensOn);
      return (call, signal) => (signal === undefined ? breaker.run(call) : breaker.run(call, { signal }));
    },
    makeKeyed: () => {
      const breakers = keyedBreakers({ name: "bench", openMs, opensOn });
      return (key) => {
        const breaker = breakers.get(key);
        return (call) => breaker.run(call);
      };
    },
  };
}

function syncBreaker(kind: string, opensOn: OpensOn): SyncContender {
  return {
    name: `holdfast, ${kind}, runSync`,
    row: "breaker",
    role: "holdfast",
    kind: "sync",
    make: () => {
      const breaker = breakerOf(opensOn);
      return (call) => breaker.runSync(call);
    },
  };
}

function breakerOf(opensOn: OpensOn): CircuitBreaker {
  return circuitBreaker({ name: "bench", openMs, opensOn });
}
