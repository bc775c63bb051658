/** What is used of the peers, declared here: their own types are missing where they are not installed. */
import { packageNamed } from "../install.ts";

export type Call<Context> = (context: Context) => unknown;
export type Listen<Value> = (listener: (value: Value) => void) => { dispose(): void };

export interface CockatielContext {
  readonly signal: AbortSignal;
}

export interface CockatielPolicy {
  execute(call: Call<CockatielContext>, signal?: AbortSignal): Promise<unknown>;
}

export interface CockatielBreaker extends CockatielPolicy {
  readonly state: number;
  readonly onSuccess: Listen<unknown>;
  readonly onBreak: Listen<unknown>;
  readonly onStateChange: Listen<number>;
  isolate(): { dispose(): void };
  toJSON(): unknown;
}

export interface CockatielBreakerOptions {
  readonly halfOpenAfter: number;
  readonly breaker: object;
  readonly initialState?: unknown;
}

export interface Cockatiel {
  readonly handleAll: unknown;
  handleWhen(predicate: (error: Error) => boolean): unknown;
  readonly ConsecutiveBreaker: new (threshold: number) => object;
  readonly CountBreaker: new (options: { threshold: number; size: number }) => object;
  readonly SamplingBreaker: new (options: { threshold: number; duration: number; minimumRps?: number }) => object;
  readonly ConstantBackoff: new (delayMs: number) => object;
  circuitBreaker(filter: unknown, options: CockatielBreakerOptions): CockatielBreaker;
  retry(
    filter: unknown,
    options: { maxAttempts: number; backoff: object },
  ): CockatielPolicy & { readonly onSuccess: Listen<unknown> };
  timeout(
    durationMs: number,
    strategy: "aggressive" | { readonly strategy: "optimistic"; readonly abortOnReturn: false },
  ): CockatielPolicy & { readonly onTimeout: Listen<void> };
  bulkhead(
    limit: number,
    queue: number,
  ): CockatielPolicy & { readonly executionSlots: number; readonly queueSlots: number };
  wrap(...policies: readonly CockatielPolicy[]): CockatielPolicy;
}

export interface OpossumOptions {
  readonly timeout?: number | false;
  readonly resetTimeout?: number;
  readonly errorThresholdPercentage?: number;
  readonly rollingCountTimeout?: number;
  readonly rollingCountBuckets?: number;
  readonly rollingPercentilesEnabled?: boolean;
  readonly enableSnapshots?: boolean;
  readonly capacity?: number;
  readonly state?: unknown;
  readonly status?: unknown;
}

export interface OpossumBreaker<Arguments extends readonly unknown[] = readonly unknown[]> {
  readonly opened: boolean;
  readonly halfOpen: boolean;
  readonly closed: boolean;
  readonly isShutdown: boolean;
  readonly stats: { readonly fires: number; readonly failures: number; readonly successes: number };
  readonly status: { readonly window: readonly object[] };
  fire(...values: Arguments): Promise<unknown>;
  on(event: string, listener: (...values: readonly unknown[]) => void): void;
  healthCheck(check: () => Promise<unknown>, intervalMs: number): void;
  shutdown(): void;
  toJSON(): { readonly state: { readonly lastTimerAt: number }; readonly status: object };
}

export type Opossum = new <Arguments extends readonly unknown[]>(
  action: (...values: Arguments) => unknown,
  options: OpossumOptions,
) => OpossumBreaker<Arguments>;

export interface MollitiaBreaker {
  readonly state: "opened" | "half-opened" | "closed";
}

export interface Mollitia {
  readonly Circuit: new <Arguments extends readonly unknown[]>(options: {
    readonly func: (...values: Arguments) => Promise<unknown>;
    readonly options: { readonly modules: readonly object[] };
  }) => {
    execute(...values: Arguments): Promise<unknown>;
    dispose(): void;
  };
  readonly Retry: new (options: { attempts: number; interval: number }) => object;
  readonly Timeout: new (options: { delay: number }) => object;
  readonly SlidingCountBreaker: new (options: {
    slidingWindowSize: number;
    minimumNumberOfCalls: number;
    failureRateThreshold: number;
    openStateDelay: number;
    permittedNumberOfCallsInHalfOpenState: number;
  }) => MollitiaBreaker;
}

export const cockatiel = (): Cockatiel => packageNamed("cockatiel") as Cockatiel;
export const opossum = (): Opossum => packageNamed("opossum") as Opossum;
export const mollitia = (): Mollitia => packageNamed("mollitia") as Mollitia;
