/** The peers, and nothing at all, each with the settings it would be used with and in its leanest form. */
import { type CockatielPolicy, cockatiel, mollitia, type OpossumOptions, opossum } from "../peers/packages.ts";
import type { AsyncCall, AsyncContender, Contender, SyncContender } from "./contender.ts";

const openMs = 3_600_000;
const consecutiveFailures = 5;
const timeoutMs = 10_000;

export const bare: AsyncContender = {
  name: "bare await",
  row: "breaker",
  role: "bare",
  kind: "async",
  takesSignal: true,
  make: () => (call) => call(),
};

const bareSync: SyncContender = {
  name: "bare call",
  row: "breaker",
  role: "bare",
  kind: "sync",
  make: () => (call) => call(),
};

const cockatielConsecutive: AsyncContender = {
  name: "cockatiel, consecutive",
  row: "breaker",
  role: "reference",
  kind: "async",
  takesSignal: true,
  make: () => guardOfCockatiel((library) => new library.ConsecutiveBreaker(consecutiveFailures)),
};

const cockatielSampling: AsyncContender = {
  name: "cockatiel, sampling",
  row: "breaker",
  role: "peer",
  kind: "async",
  takesSignal: true,
  make: () => guardOfCockatiel((library) => new library.SamplingBreaker({ threshold: 0.5, duration: 10_000 })),
};

const cockatielCount: AsyncContender = {
  name: "cockatiel, count",
  row: "breaker",
  role: "peer",
  kind: "async",
  takesSignal: true,
  make: () => guardOfCockatiel((library) => new library.CountBreaker({ threshold: 0.5, size: 100 })),
};

const opossumDefault: AsyncContender = {
  name: "opossum, as it comes",
  row: "breaker",
  role: "peer",
  kind: "async",
  make: () => guardOfOpossum({}),
};

const opossumLean: AsyncContender = {
  name: "opossum, no timeout, no percentiles",
  row: "breaker",
  role: "peer",
  kind: "async",
  make: () => guardOfOpossum({ timeout: false, rollingPercentilesEnabled: false, enableSnapshots: false }),
};

const mollitiaCount: AsyncContender = {
  name: "mollitia, count",
  row: "breaker",
  role: "peer",
  kind: "async",
  make: () => guardOfMollitia((library) => [new library.SlidingCountBreaker(mollitiaBreaker)]),
};

const cockatielPipe: AsyncContender = {
  name: "cockatiel, wrap(retry, timeout, breaker)",
  row: "pipe",
  role: "reference",
  kind: "async",
  takesSignal: true,
  make: () =>
    pipeOfCockatiel((library) => [
      library.retry(library.handleAll, { maxAttempts: 2, backoff: new library.ConstantBackoff(0) }),
      library.timeout(timeoutMs, "aggressive"),
    ]),
};

/** Most of what its timeout costs is the abort of its signal after every call. */
const cockatielPipeLean: AsyncContender = {
  name: "cockatiel, the same, cooperative, no abort on return",
  row: "pipe",
  role: "peer",
  kind: "async",
  takesSignal: true,
  make: () =>
    pipeOfCockatiel((library) => [
      library.retry(library.handleAll, { maxAttempts: 2, backoff: new library.ConstantBackoff(0) }),
      library.timeout(timeoutMs, { strategy: "optimistic", abortOnReturn: false }),
    ]),
};

const cockatielPipeBulkhead: AsyncContender = {
  name: "cockatiel, wrap(retry, bulkhead, timeout, breaker)",
  row: "pipe",
  role: "peer",
  kind: "async",
  takesSignal: true,
  make: () =>
    pipeOfCockatiel((library) => [
      library.retry(library.handleAll, { maxAttempts: 2, backoff: new library.ConstantBackoff(0) }),
      library.bulkhead(16, 16),
      library.timeout(timeoutMs, "aggressive"),
    ]),
};

const opossumPipe: AsyncContender = {
  name: "opossum, timeout and capacity, no retry",
  row: "pipe",
  role: "peer",
  kind: "async",
  make: () => guardOfOpossum({ timeout: timeoutMs, capacity: 16 }),
};

const mollitiaPipe: AsyncContender = {
  name: "mollitia, retry, timeout, breaker",
  row: "pipe",
  role: "peer",
  kind: "async",
  make: () =>
    guardOfMollitia((library) => [
      new library.Retry({ attempts: 2, interval: 0 }),
      new library.Timeout({ delay: timeoutMs }),
      new library.SlidingCountBreaker(mollitiaBreaker),
    ]),
};

export const peerContenders: readonly Contender[] = [
  bare,
  cockatielConsecutive,
  cockatielSampling,
  cockatielCount,
  opossumDefault,
  opossumLean,
  mollitiaCount,
  bareSync,
  { ...bare, row: "pipe" },
  cockatielPipe,
  cockatielPipeLean,
  cockatielPipeBulkhead,
  opossumPipe,
  mollitiaPipe,
];

const mollitiaBreaker = {
  slidingWindowSize: 100,
  minimumNumberOfCalls: 10,
  failureRateThreshold: 50,
  openStateDelay: openMs,
  permittedNumberOfCallsInHalfOpenState: 2,
};

function guardOfCockatiel(breakerOf: (library: ReturnType<typeof cockatiel>) => object): ReturnType<typeof bare.make> {
  const library = cockatiel();
  const options = { halfOpenAfter: openMs, breaker: breakerOf(library) };
  const policy = library.circuitBreaker(library.handleAll, options);
  return (call, signal) => policy.execute(call, signal) as Promise<number>;
}

/** A breaker within these, the outermost first. */
function pipeOfCockatiel(
  outer: (library: ReturnType<typeof cockatiel>) => readonly CockatielPolicy[],
): ReturnType<typeof bare.make> {
  const library = cockatiel();
  const breaker = new library.ConsecutiveBreaker(consecutiveFailures);
  const policy = library.wrap(
    ...outer(library),
    library.circuitBreaker(library.handleAll, { halfOpenAfter: openMs, breaker }),
  );
  return (call, signal) => policy.execute(call, signal) as Promise<number>;
}

function guardOfOpossum(options: OpossumOptions): ReturnType<typeof bare.make> {
  const CircuitBreaker = opossum();
  const breaker = new CircuitBreaker((call: AsyncCall) => call(), { resetTimeout: openMs, ...options });
  return (call) => breaker.fire(call) as Promise<number>;
}

function guardOfMollitia(
  modulesOf: (library: ReturnType<typeof mollitia>) => readonly object[],
): ReturnType<typeof bare.make> {
  const library = mollitia();
  const circuit = new library.Circuit({
    func: (call: AsyncCall) => call(),
    options: { modules: modulesOf(library) },
  });
  return (call) => circuit.execute(call) as Promise<number>;
}
