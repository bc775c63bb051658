/**
 * What the frames carry.
 *
 *   job                +-----------+------+---------+      reply   the payload
 *                      | kind size | kind | payload |      phase   its name, UTF-8
 *                      | u16       |      |         |      ready   empty
 *                      +-----------+------+---------+      error, bootstrap failure   JSON of FailureNote
 *
 * The parent checks the shape of every note: a cell is not believed because its checksum is right.
 */

import { errorToWire, HoldfastError, toHoldfastError, utf8, utf8Text, type WireError } from "../base/index.ts";

export interface FailureNote {
  readonly error: WireError;
  /** The failure was an allocation that the limit on private memory refused. */
  readonly dataLimit: boolean;
  /** The process is about to end: the failure came from outside the handler's own call. */
  readonly fatal: boolean;
}

const textLimit = 16_384;

/** The parts of a job's body; the payload is not copied. */
export function jobParts(kind: string, payload: Uint8Array): Uint8Array[] {
  const name = utf8(kind);
  if (name.length > 0xffff) throw new HoldfastError("CELL_ARGUMENT", "a job's kind is longer than 65,535 bytes");
  const head = new Uint8Array(2 + name.length);
  new DataView(head.buffer).setUint16(0, name.length, true);
  head.set(name, 2);
  return [head, payload];
}

export function readJob(body: Uint8Array): { readonly kind: string; readonly payload: Uint8Array } {
  const size = new DataView(body.buffer, body.byteOffset, body.byteLength).getUint16(0, true);
  return { kind: utf8Text(body.subarray(2, 2 + size)), payload: body.subarray(2 + size) };
}

/** Any thrown value as a note; never throws itself, whatever was thrown. */
export function failureNote(thrown: unknown, fatal: boolean): Uint8Array {
  const dataLimit = isRefusedAllocation(thrown);
  try {
    const wire = errorToWire(toHoldfastError(thrown, "CELL_HANDLER"));
    const error = { ...wire, message: wire.message.slice(0, textLimit) };
    const note = utf8(JSON.stringify({ error, dataLimit, fatal } satisfies FailureNote));
    if (note.length <= 512 * 1024) return note;
    return utf8(JSON.stringify({ error: { ...error, details: {} }, dataLimit, fatal } satisfies FailureNote));
  } catch {
    const error: WireError = {
      code: "CELL_HANDLER",
      message: "the handler threw a value that cannot be described",
      retryable: false,
      details: {},
    };
    return utf8(JSON.stringify({ error, dataLimit, fatal } satisfies FailureNote));
  }
}

/** V8 refuses memory over RLIMIT_DATA with a RangeError; these are the four texts it has for it. */
function isRefusedAllocation(thrown: unknown): boolean {
  return (
    thrown instanceof RangeError &&
    /Array buffer allocation failed|Failed to allocate memory|Unable to grow instance memory|could not allocate memory/.test(
      thrown.message,
    )
  );
}

export function readFailure(body: Uint8Array): FailureNote {
  const note = parse(body);
  const error = isRecord(note) ? note["error"] : undefined;
  if (!isRecord(note) || !isWireError(error)) {
    throw new HoldfastError("CELL_FRAME", "the cell sent a failure that is not one");
  }
  return { error, dataLimit: note["dataLimit"] === true, fatal: note["fatal"] === true };
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Text(body)) as unknown;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWireError(value: unknown): value is WireError {
  return (
    isRecord(value) &&
    typeof value["code"] === "string" &&
    typeof value["message"] === "string" &&
    typeof value["retryable"] === "boolean" &&
    isRecord(value["details"]) &&
    ["undefined", "string"].includes(typeof value["hint"]) &&
    ["undefined", "string"].includes(typeof value["cause"])
  );
}
