export { AssertionFailure, assert, type ErrorCode, type ErrorDetails, HoldfastError, type HoldfastErrorOptions, type WireError } from "./errors.ts";
