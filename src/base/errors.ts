/**
 * The one error class of Holdfast.
 *
 * Every failure that a caller can meet carries a stable `code` (prefixed by its layer), says in its message what
 * failed and where, and says in `hint` what to do about it. The brand survives duplicate copies of this module and
 * process borders (wire-error.ts). Broken invariants are `AssertionFailure`, a class of its own that no code
 * of ours catches to carry on.
 */

const brand = Symbol.for("holdfast.error");

/** A stable code: a layer's prefix, an underscore, and the condition, in capitals. */
export type ErrorCode =
  | `BASE_${string}`
  | `DISK_${string}`
  | `POLICY_${string}`
  | `BREAKER_${string}`
  | `RETRY_${string}`
  | `TIMEOUT_${string}`
  | `BULKHEAD_${string}`
  | `RATE_${string}`
  | `FALLBACK_${string}`
  | `HEDGE_${string}`
  | `PIPE_${string}`
  | `HEALTH_${string}`
  | `CHECKPOINT_${string}`
  | `DEGRADED_${string}`
  | `CONSERVATIVE_${string}`
  | `MEMORY_${string}`
  | `WAL_${string}`
  | `STORE_${string}`
  | `ONNX_${string}`
  | `BLUEPRINT_${string}`
  | `TENSOR_${string}`
  | `CELL_${string}`
  | `FORGE_${string}`
  | `ARTIFACT_${string}`
  | `CLI_${string}`;

/** Plain data that tells a program what the message tells a person. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null | readonly (string | number)[]>>;

export interface HoldfastErrorOptions {
  readonly cause?: unknown;
  /** What to do about it, as one sentence or one command to type. */
  readonly hint?: string;
  /** True where the same call may succeed later without any change by the caller. Default false. */
  readonly retryable?: boolean;
  readonly details?: ErrorDetails;
}

export class HoldfastError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly details: ErrorDetails;
  /** The message without the `[CODE]` prefix. */
  readonly rawMessage: string;

  constructor(code: ErrorCode, message: string, options: HoldfastErrorOptions = {}) {
    super(`[${code}] ${message}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "HoldfastError";
    this.code = code;
    this.rawMessage = message;
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }

  /** On the prototype: breakers make errors by the thousand while something is down. */
  get [brand](): true {
    return true;
  }

  static is(value: unknown): value is HoldfastError {
    return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[brand] === true;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return HoldfastError.is(value);
  }
}

/** A broken invariant: a bug in Holdfast. Never caught to carry on. */
export class AssertionFailure extends Error {
  constructor(message: string) {
    super(`invariant broken: ${message}`);
    this.name = "AssertionFailure";
  }
}

/** Throws AssertionFailure where `condition` is false. Always on. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}
