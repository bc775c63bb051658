/**
 * A message is trusted when it encodes to the very bytes it came from. One content has many encodings, and the other
 * ones are refused: fields in another order, numbers written longer, fields that nobody knows, wherever they stand.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../src/base/index.ts";
import { ForgeRecordSchema } from "../../src/forge/gen/holdfast/v2/forge_pb.ts";
import { decodeRecord, durationFromMs, encodeRecord } from "../../src/forge/record.ts";
import { decodeBlueprint, encodeBlueprint } from "../../src/tensor/blueprint/codec.ts";
import { decodeCompileOptions, encodeCompileOptions } from "../../src/tensor/compile-options.ts";
import { compileUnit, decodeUnitObject } from "../../src/tensor/compile-unit.ts";
import {
  BlueprintSchema,
  CompileOptionsSchema,
  UnitObjectSchema,
  UnitSpecSchema,
} from "../../src/tensor/gen/holdfast/v2/blueprint_pb.ts";
import { denseConstant } from "../../src/tensor/graph/constant.ts";
import { decodeUnitSpec, encodeUnitSpec } from "../../src/tensor/plan/unit-spec.ts";
import { messagesIn } from "../support/mutate.ts";
import { unitOf } from "../support/unit.ts";

const unit = unitOf({ operator: "Add", inputs: [{ shape: [4] }, { shape: [4], weight: true }] });
const spec = encodeUnitSpec(unit, "STANDARD");

interface Trust {
  readonly schema: DescMessage;
  /** Where the message is decoded. */
  readonly path: string;
  readonly bytes: Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

const trusted: readonly Trust[] = [
  {
    schema: BlueprintSchema,
    path: "src/tensor/blueprint/codec.ts",
    bytes: encodeBlueprint(unit.graph),
    decode: decodeBlueprint,
  },
  { schema: UnitSpecSchema, path: "src/tensor/plan/unit-spec.ts", bytes: spec, decode: decodeUnitSpec },
  {
    schema: UnitObjectSchema,
    path: "src/tensor/compile-unit.ts",
    bytes: compileUnit(spec, { validate: false }),
    decode: decodeUnitObject,
  },
  {
    schema: CompileOptionsSchema,
    path: "src/tensor/compile-options.ts",
    bytes: encodeCompileOptions({
      name: "model",
      strategy: "STANDARD",
      shapes: { image: [1, 3] },
      bind: { mask: denseConstant("int64", [2], [1n, 2n]) },
      externalFiles: { "weights.bin": Uint8Array.of(1, 2, 3) },
    }),
    decode: decodeCompileOptions,
  },
  {
    schema: ForgeRecordSchema,
    path: "src/forge/record.ts",
    bytes: encodeRecord(1_234_567, {
      case: "unitCompiled",
      value: { unitKey: "k", unitName: "Add", objectHash: "h", duration: durationFromMs(7), unitHash: "u" },
    }),
    decode: decodeRecord,
  },
];

/** The fields of a message as they lie there, tags included. */
function fieldsOf(bytes: Uint8Array): Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const fields: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [, wireType] = reader.tag();
    reader.skip(wireType);
    fields.push(bytes.subarray(start, reader.pos));
  }
  return fields;
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

/** A field of a later version: number 1000, a varint. */
const laterField = Uint8Array.of(0xc0, 0x3e, 1);

/** The same content, or the same as far as this version reads it, in other bytes. */
const others: Readonly<Record<string, (bytes: Uint8Array, schema: DescMessage) => Uint8Array>> = {
  "its first field last": (bytes) => {
    const [first, ...rest] = fieldsOf(bytes);
    return joined([...rest, first!]);
  },
  "a number longer than it need be": (bytes) => joined([Uint8Array.of(bytes[0]! | 0x80, 0), bytes.subarray(1)]),
  "a field of a later version": (bytes) => joined([bytes, laterField]),
  "a field of a later version deep within": (bytes, schema) => {
    const message = fromBinary(schema, bytes);
    messagesIn(reflect(schema, message))
      .at(-1)!
      .setUnknown([{ no: 1000, wireType: 0, data: Uint8Array.of(1) }]);
    return toBinary(schema, message);
  },
  "a field written twice": (bytes) => {
    const [first] = fieldsOf(bytes);
    return joined([first!, bytes]);
  },
};

const cases = trusted.flatMap((trust) =>
  Object.keys(others).map((how) => ({ ...trust, how, name: trust.schema.name })),
);

describe("a message", () => {
  it.each(trusted)("F1: $schema.name is taken as it was encoded", ({ bytes, decode }) => {
    expect(() => decode(bytes)).not.toThrow();
  });

  it.each(cases)("F1: $name is refused with $how", ({ schema, how, bytes, decode }) => {
    const other = others[how]!(bytes, schema);
    expect(other).not.toEqual(bytes);
    // Protobuf itself is content: only the comparison tells.
    expect(() => fromBinary(schema, other)).not.toThrow();
    expect(() => decode(other)).toThrow(HoldfastError);
  });

  it("F1: is decoded in no place but those shown here, and where foreign models are read", () => {
    const root = join(import.meta.dirname, "../..");
    const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).map((path) => `src/${path}`);
    const decoding = sources
      .filter((path) => path.endsWith(".ts") && !/\.test\.ts$|\/gen\//.test(path))
      .filter((path) => /\bfromBinary\(|\bfromJson\(/.test(readFileSync(join(root, path), "utf8")));
    const foreign = ["src/tensor/onnx/external.ts", "src/tensor/onnx/import.ts"];
    expect(decoding.sort()).toEqual([...trusted.map(({ path }) => path), ...foreign].sort());
  });
});
