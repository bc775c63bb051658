/** Attributes of ONNX nodes -> attributes of ours, and what a Constant node holds. */
import { HoldfastError } from "../../base/index.ts";
import type { AttributeProto } from "../gen/onnx/onnx_pb.ts";
import { denseConstant } from "../graph/constant.ts";
import type { Attributes, AttributeValue, ConstantData } from "../graph/graph.ts";
import { constantFromTensor, type ReadExternal } from "./tensor.ts";

/** AttributeProto.AttributeType. */
export const attributeKind = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;

export function attributesOf(
  protos: readonly AttributeProto[],
  where: string,
  readExternal?: ReadExternal,
): Attributes {
  const names = new Set(protos.map(({ name }) => name));
  if (names.size < protos.length) {
    throw new HoldfastError("ONNX_DUPLICATE_NAME", `${where} has two attributes of one name`, {
      hint: "the model is not valid ONNX: export it again",
    });
  }
  const entries = protos.map(
    (proto) => [proto.name, attributeOf(proto, `attribute ${proto.name} of ${where}`, readExternal)] as const,
  );
  return Object.fromEntries(entries.filter((entry): entry is [string, AttributeValue] => entry[1] !== undefined));
}

function attributeOf(
  attribute: AttributeProto,
  where: string,
  readExternal?: ReadExternal,
): AttributeValue | undefined {
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  switch (attribute.type || kindFilledIn(attribute)) {
    case attributeKind.float:
      return { kind: "float", value: attribute.f };
    case attributeKind.int:
      return { kind: "int", value: saturated(attribute.i) };
    case attributeKind.string:
      return { kind: "string", value: text(attribute.s) };
    case attributeKind.tensor:
      return attribute.t && { kind: "tensor", value: constantFromTensor(attribute.t, where, readExternal) };
    case attributeKind.floats:
      return { kind: "floats", value: attribute.floats };
    case attributeKind.ints:
      return { kind: "ints", value: attribute.ints.map(saturated) };
    case attributeKind.strings:
      return { kind: "strings", value: attribute.strings.map(text) };
    default:
      throw new HoldfastError("ONNX_UNSUPPORTED_FORM", `${where} is of kind ${attribute.type}`, {
        hint: "graphs, sparse tensors and types as attributes are not taken",
      });
  }
}

/** The largest double that is an int64: exporters write the largest int64 for "to the end". */
const largestInt64Double = 2 ** 63 - 1024;

function saturated(value: bigint): number {
  return Math.min(Number(value), largestInt64Double);
}

/** Files older than the `type` field leave the kind to be seen from what is filled in. */
function kindFilledIn(attribute: AttributeProto): number {
  if (attribute.t) return attributeKind.tensor;
  if (attribute.g) return attributeKind.graph;
  if (attribute.ints.length > 0) return attributeKind.ints;
  if (attribute.floats.length > 0) return attributeKind.floats;
  if (attribute.strings.length > 0) return attributeKind.strings;
  if (attribute.s.length > 0) return attributeKind.string;
  return attribute.f !== 0 ? attributeKind.float : attributeKind.int;
}

/** What a Constant node makes, of the attributes that hold numbers. */
export function constantOfNode(protos: readonly AttributeProto[], attributes: Attributes): ConstantData | undefined {
  const { value, value_float, value_floats } = attributes;
  if (value?.kind === "tensor") return value.value;
  if (value_float?.kind === "float") return denseConstant("float32", [], [value_float.value]);
  if (value_floats?.kind === "floats") return denseConstant("float32", [value_floats.value.length], value_floats.value);
  // From the message itself: numbers of ours hold 53 bits, these have 64.
  const int = protos.find(({ name }) => name === "value_int");
  if (int) return denseConstant("int64", [], [int.i]);
  const ints = protos.find(({ name }) => name === "value_ints");
  if (ints) return denseConstant("int64", [ints.ints.length], ints.ints);
  return undefined;
}
