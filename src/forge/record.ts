/** Records of the journal as bytes. What is read is decoded, encoded again and compared before it is trusted. */

import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { bytesEqual, HoldfastError } from "../base/index.ts";
import { ExecutionContextSchema, type ForgeRecord, ForgeRecordSchema } from "./gen/holdfast/v2/forge_pb.ts";

export { durationFromMs, durationMs, timestampMs };

const checkpointPartBytes = 2 ** 20;

export type RecordEvent = NonNullable<MessageInitShape<typeof ForgeRecordSchema>["event"]>;

export function encodeRecord(atMs: number, event: RecordEvent): Uint8Array {
  return toBinary(ForgeRecordSchema, create(ForgeRecordSchema, { at: timestampFromMs(atMs), event }));
}

/** What the ledger holds as records of the journal, in parts small enough for a frame each. */
export function encodeCheckpoint(atMs: number, records: readonly ForgeRecord[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let part: ForgeRecord[] = [];
  let bytes = 0;
  const close = (): void => {
    const value = { begins: parts.length === 0, records: part };
    parts.push(encodeRecord(atMs, { case: "checkpoint", value }));
    part = [];
    bytes = 0;
  };
  for (const record of records) {
    const size = toBinary(ForgeRecordSchema, record).length;
    if (bytes + size > checkpointPartBytes && part.length > 0) close();
    part.push(record);
    bytes += size;
  }
  if (part.length > 0 || parts.length === 0) close();
  return parts;
}

export function decodeRecord(bytes: Uint8Array): ForgeRecord {
  return decodeTrusted(ForgeRecordSchema, bytes);
}

export function encodeContext(context: MessageInitShape<typeof ExecutionContextSchema>): Uint8Array {
  return toBinary(ExecutionContextSchema, create(ExecutionContextSchema, context));
}

function decodeTrusted<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  let message: MessageShape<Desc>;
  try {
    message = fromBinary(schema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw untrusted(schema, "it cannot be decoded", cause);
  }
  if (!bytesEqual(toBinary(schema, message), bytes))
    throw untrusted(schema, "it does not encode to the same bytes", undefined);
  return message;
}

function untrusted(schema: DescMessage, why: string, cause: unknown): HoldfastError {
  return new HoldfastError("FORGE_BAD_RECORD", `a journal record (${schema.typeName}) is not trusted: ${why}`, {
    cause,
    hint: "It may come from a newer version of Holdfast: open the state folder with that one.",
  });
}
