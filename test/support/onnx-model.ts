/** Writes down ONNX models as a test means them, bad ones included. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProtoSchema,
  type FunctionProtoSchema,
  type GraphProtoSchema,
  ModelProtoSchema,
  type NodeProtoSchema,
  type TensorProtoSchema,
  type ValueInfoProtoSchema,
} from "../../src/tensor/gen/onnx/onnx_pb.ts";

export type AttributeInit = MessageInitShape<typeof AttributeProtoSchema>;
export type FunctionInit = MessageInitShape<typeof FunctionProtoSchema>;
export type GraphInit = Exclude<MessageInitShape<typeof GraphProtoSchema>, { readonly $typeName: string }>;
export type NodeInit = MessageInitShape<typeof NodeProtoSchema>;
export type TensorInit = MessageInitShape<typeof TensorProtoSchema>;
export type ValueInit = MessageInitShape<typeof ValueInfoProtoSchema>;

export type ModelParts = GraphInit & {
  readonly opset?: number;
  readonly irVersion?: number;
  readonly functions?: FunctionInit[];
};

export function modelBytes({ opset = 17, irVersion = 8, functions = [], ...graph }: ModelParts): Uint8Array {
  const model = create(ModelProtoSchema, {
    irVersion: BigInt(irVersion),
    opsetImport: opset === 0 ? [] : [{ domain: "", version: BigInt(opset) }],
    functions,
    graph: { name: "tested", ...graph },
  });
  return toBinary(ModelProtoSchema, model);
}

export function node(opType: string, input: string[], output: string[], attributes: AttributeInit[] = []): NodeInit {
  return { opType, name: `${opType}:${output.join()}`, input, output, attribute: attributes };
}

/** A value of float32, or of the ONNX type given; a string is an extent with a name, "" one left open. */
export function value(name: string, shape: (number | string)[], elemType = 1): ValueInit {
  const dim = shape.map((extent) => ({
    value:
      typeof extent === "number"
        ? { case: "dimValue" as const, value: BigInt(extent) }
        : { case: "dimParam" as const, value: extent },
  }));
  return { name, type: { value: { case: "tensorType", value: { elemType, shape: { dim } } } } };
}

export function floats(name: string, dims: number[], data: number[]): TensorInit {
  return { name, dataType: 1, dims: dims.map(BigInt), floatData: data };
}

export function ints(name: string, dims: number[], data: number[]): TensorInit {
  return { name, dataType: 7, dims: dims.map(BigInt), int64Data: data.map(BigInt) };
}

export function booleans(name: string, dims: number[], data: number[]): TensorInit {
  return { name, dataType: 9, dims: dims.map(BigInt), int32Data: data };
}

export function intAttribute(name: string, i: number | bigint): AttributeInit {
  return { name, type: 2, i: BigInt(i) };
}

export function intsAttribute(name: string, list: (number | bigint)[]): AttributeInit {
  return { name, type: 7, ints: list.map(BigInt) };
}

export function floatAttribute(name: string, f: number): AttributeInit {
  return { name, type: 1, f };
}

export function graphAttribute(name: string, g: GraphInit): AttributeInit {
  return { name, type: 5, g };
}

/** A network with a bit of everything: a convolution, its normalisation, shapes computed, a product. */
export function smallNetwork(): Uint8Array {
  const ramp = (count: number): number[] => Array.from({ length: count }, (_, place) => (place % 7) / 7 - 0.4);
  return modelBytes({
    input: [value("image", ["n", 2, 6, 6])],
    output: [value("scores", ["n", 3])],
    initializer: [
      floats("kernel", [4, 2, 3, 3], ramp(72)),
      floats("gamma", [4], [1, 2, 0.5, 1]),
      floats("beta", [4], [0, 1, 0, -1]),
      floats("mean", [4], [0.1, 0, 0.2, 0]),
      floats("variance", [4], [1, 2, 1, 0.5]),
      floats("matrix", [64, 3], ramp(192)),
      ints("one", [1], [1]),
      ints("rest", [1], [-1]),
    ],
    node: [
      node("Conv", ["image", "kernel"], ["conv"], [intsAttribute("kernel_shape", [3, 3])]),
      node("BatchNormalization", ["conv", "gamma", "beta", "mean", "variance"], ["normal"]),
      node("Relu", ["normal"], ["active"]),
      node("Shape", ["active"], ["shape"]),
      node("Slice", ["shape", "zero", "one"], ["batch"]),
      node("Constant", [], ["zero"], [intsAttribute("value_ints", [0])]),
      node("Concat", ["batch", "rest"], ["flat_shape"], [intAttribute("axis", 0)]),
      node("Reshape", ["active", "flat_shape"], ["flat"]),
      node("MatMul", ["flat", "matrix"], ["product"]),
      node("Softmax", ["product"], ["scores"], [intAttribute("axis", -1)]),
    ],
  });
}
