/** Errors as plain data: how they cross a process border and are printed by `--json`. */

import { errorText } from "./error-text.ts";
import { type ErrorCode, type ErrorDetails, HoldfastError } from "./errors.ts";

export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly retryable: boolean;
  readonly details: ErrorDetails;
  readonly cause?: string;
}

export function errorToWire(error: HoldfastError): WireError {
  const { code, rawMessage, retryable, details, hint, cause } = error;
  return {
    ...{ code, message: rawMessage, retryable, details },
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause: errorText(cause) }),
  };
}

export function errorFromWire(wire: WireError): HoldfastError {
  return new HoldfastError(wire.code as ErrorCode, wire.message, {
    retryable: wire.retryable,
    details: wire.details,
    ...(wire.hint === undefined ? {} : { hint: wire.hint }),
    ...(wire.cause === undefined ? {} : { cause: new Error(wire.cause) }),
  });
}

/** Any thrown value as a HoldfastError; one that already is comes back as it is. */
export function toHoldfastError(value: unknown, code: ErrorCode = "BASE_UNEXPECTED"): HoldfastError {
  if (HoldfastError.is(value)) return value;
  return new HoldfastError(code, errorText(value), { cause: value });
}
