/**
 * Graph <-> Blueprint message. The bytes are canonical: one graph has one encoding, so a hash of the bytes names it.
 *
 * What comes from outside is decoded, checked, encoded again and compared before it is trusted (F1, F7): a message
 * with unknown fields, out-of-range ids, wrong sizes or nodes out of order is refused.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { bytesEqual, HoldfastError, hexOf, sha256 } from "../../base/index.ts";
import {
  type Attribute,
  type Blueprint,
  BlueprintSchema,
  type Tensor,
  TensorSchema,
} from "../gen/holdfast/v2/blueprint_pb.ts";
import type { AttributeValue, ConstantData, Graph, GraphNode, GraphValue } from "../graph/graph.ts";
import { verifyGraph } from "../graph/verify.ts";
import { type ElementType, elementTypes } from "../ir/element-type.ts";

const typeNames: ReadonlySet<string> = new Set(elementTypes);

function typeOf(name: string): ElementType {
  if (typeNames.has(name)) return name as ElementType;
  throw new HoldfastError("BLUEPRINT_BAD_TYPE", `element type ${JSON.stringify(name)} does not exist`);
}

export function encodeBlueprint(graph: Graph): Uint8Array {
  return toBinary(BlueprintSchema, blueprintOf(graph));
}

/** The graph's name for caches and reports: SHA-256 of its canonical bytes, in hex. */
export function hashBlueprint(graph: Graph): string {
  return hexOf(sha256(encodeBlueprint(graph)));
}

/** Throws BLUEPRINT_* where the bytes are not the canonical encoding of a valid graph. */
export function decodeBlueprint(bytes: Uint8Array): Graph {
  let message: Blueprint;
  try {
    message = fromBinary(BlueprintSchema, bytes);
  } catch (cause) {
    throw new HoldfastError("BLUEPRINT_MALFORMED", "the bytes are not a Blueprint message", { cause });
  }
  const graph = graphOf(message);
  if (!bytesEqual(encodeBlueprint(graph), bytes)) {
    throw new HoldfastError("BLUEPRINT_NOT_CANONICAL", "the Blueprint does not encode to the bytes it came from", {
      hint: "it was damaged, or made by another version: make it again from the model",
    });
  }
  return graph;
}

export function blueprintOf(graph: Graph): Blueprint {
  return create(BlueprintSchema, {
    name: graph.name,
    values: graph.values.map((value) => ({
      name: value.name,
      type: value.type,
      shape: [...value.shape],
      ...(value.constant ? { constant: tensorOf(value.constant) } : {}),
    })),
    nodes: graph.nodes.map((node) => ({
      name: node.name,
      domain: node.domain,
      operator: node.operator,
      version: node.version,
      inputs: [...node.inputs],
      outputs: [...node.outputs],
      attributes: Object.keys(node.attributes)
        .sort()
        .map((name) => attributeOf(name, node.attributes[name]!)),
    })),
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
  });
}

export function graphOf(message: Blueprint): Graph {
  const graph: Graph = {
    name: message.name,
    values: message.values.map((value, id): GraphValue => {
      const head = { id, name: value.name, type: typeOf(value.type), shape: value.shape };
      return value.constant ? { ...head, constant: constantOf(value.constant) } : head;
    }),
    nodes: message.nodes.map(
      (node): GraphNode => ({
        name: node.name,
        domain: node.domain,
        operator: node.operator,
        version: node.version,
        inputs: node.inputs,
        outputs: node.outputs,
        attributes: Object.fromEntries(
          node.attributes.map((attribute) => [attribute.name, attributeValueOf(attribute)]),
        ),
      }),
    ),
    inputs: message.inputs,
    outputs: message.outputs,
  };
  verifyGraph(graph);
  return graph;
}

export function tensorOf(constant: ConstantData): Tensor {
  return create(TensorSchema, {
    type: constant.type,
    shape: [...constant.shape],
    splat: constant.splat,
    data: constant.bytes,
  });
}

export function constantOf(tensor: Tensor): ConstantData {
  return { type: typeOf(tensor.type), shape: tensor.shape, splat: tensor.splat, bytes: tensor.data };
}

function attributeOf(name: string, attribute: AttributeValue): { name: string; value: Attribute["value"] } {
  switch (attribute.kind) {
    case "int":
      return { name, value: { case: "int", value: BigInt(attribute.value) } };
    case "float":
      return { name, value: { case: "float", value: attribute.value } };
    case "string":
      return { name, value: { case: "string", value: attribute.value } };
    case "ints":
      return {
        name,
        value: { case: "ints", value: { $typeName: "holdfast.v2.IntList", values: attribute.value.map(BigInt) } },
      };
    case "floats":
      return {
        name,
        value: { case: "floats", value: { $typeName: "holdfast.v2.FloatList", values: [...attribute.value] } },
      };
    case "strings":
      return {
        name,
        value: { case: "strings", value: { $typeName: "holdfast.v2.StringList", values: [...attribute.value] } },
      };
    case "tensor":
      return { name, value: { case: "tensor", value: tensorOf(attribute.value) } };
  }
}

function attributeValueOf({ name, value }: Attribute): AttributeValue {
  switch (value.case) {
    case "int":
      return { kind: "int", value: numberOf(value.value, name) };
    case "float":
      return { kind: "float", value: value.value };
    case "string":
      return { kind: "string", value: value.value };
    case "ints":
      return { kind: "ints", value: value.value.values.map((int) => numberOf(int, name)) };
    case "floats":
      return { kind: "floats", value: value.value.values };
    case "strings":
      return { kind: "strings", value: value.value.values };
    case "tensor":
      return { kind: "tensor", value: constantOf(value.value) };
    default:
      throw new HoldfastError("BLUEPRINT_MALFORMED", `attribute ${JSON.stringify(name)} has no value`);
  }
}

/** Encoders write integers that a double holds; any other would come out changed, or out of range. */
function numberOf(int: bigint, attribute: string): number {
  const number = Number(int);
  if (BigInt(number) === int) return number;
  throw new HoldfastError("BLUEPRINT_NOT_CANONICAL", `attribute ${JSON.stringify(attribute)} holds ${int}, too large`, {
    hint: "make the Blueprint again from the model",
  });
}
