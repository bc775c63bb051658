/** The forge's records as bytes. What is read is decoded, encoded again and compared before it is trusted. */

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
import { type ForgeRecord, ForgeRecordSchema } from "./gen/holdfast/v2/forge_pb.ts";

export { durationFromMs, durationMs, timestampMs };

export type RecordEvent = NonNullable<MessageInitShape<typeof ForgeRecordSchema>["event"]>;

export function encodeRecord(atMs: number, event: RecordEvent): Uint8Array {
  return toBinary(ForgeRecordSchema, create(ForgeRecordSchema, { at: timestampFromMs(atMs), event }));
}

export function encodedRecord(record: ForgeRecord): Uint8Array {
  return toBinary(ForgeRecordSchema, record);
}

export function decodeRecord(bytes: Uint8Array): ForgeRecord {
  return decodeTrusted(ForgeRecordSchema, bytes);
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
  return new HoldfastError("FORGE_BAD_RECORD", `a record (${schema.typeName}) is not trusted: ${why}`, {
    cause,
    hint: "It may come from a newer version of Holdfast: open the state folder with that one.",
  });
}
