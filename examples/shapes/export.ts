/** Writes the trained network as an ONNX model. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProtoSchema,
  ModelProtoSchema,
  type NodeProtoSchema,
} from "../../src/tensor/gen/onnx/onnx_pb.ts";
import type { Network } from "./network.ts";

const floatType = 1;

function tensor(name: string, dims: readonly number[], values: Float32Array) {
  return {
    name,
    dims: dims.map(BigInt),
    dataType: floatType,
    rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  };
}

function port(name: string, dims: readonly number[]) {
  const shape = { dim: dims.map((extent) => ({ value: { case: "dimValue" as const, value: BigInt(extent) } })) };
  return { name, type: { value: { case: "tensorType" as const, value: { elemType: floatType, shape } } } };
}

const ints = (name: string, values: readonly number[]): MessageInitShape<typeof AttributeProtoSchema> => ({
  name,
  type: 7,
  ints: values.map(BigInt),
});

/** A model with one input `image` [1, 1, side, side] and one output `probabilities` [1, classes]. */
export function toOnnx(network: Network, side: number): Uint8Array {
  const nodes: MessageInitShape<typeof NodeProtoSchema>[] = [];
  const initializers = [];
  let current = "image";
  for (const [place, { inChannels, outChannels, weights, bias }] of network.layers.entries()) {
    initializers.push(
      tensor(`weights${place}`, [outChannels, inChannels, 3, 3], weights),
      tensor(`bias${place}`, [outChannels], bias),
    );
    const attribute = [ints("kernel_shape", [3, 3]), ints("strides", [2, 2]), ints("pads", [1, 1, 1, 1])];
    nodes.push({
      name: `conv${place}`,
      opType: "Conv",
      input: [current, `weights${place}`, `bias${place}`],
      output: [`conv${place}`],
      attribute,
    });
    nodes.push({ name: `relu${place}`, opType: "Relu", input: [`conv${place}`], output: [`relu${place}`] });
    current = `relu${place}`;
  }
  const channels = network.layers.at(-1)!.outChannels;
  initializers.push(
    tensor("matrix", [network.classes, channels], network.matrix),
    tensor("matrixBias", [network.classes], network.matrixBias),
  );
  nodes.push({ name: "mean", opType: "GlobalAveragePool", input: [current], output: ["mean"] });
  nodes.push({ name: "flatten", opType: "Flatten", input: ["mean"], output: ["flat"] });
  const attribute = [{ name: "transB", type: 2, i: 1n }];
  nodes.push({ name: "gemm", opType: "Gemm", input: ["flat", "matrix", "matrixBias"], output: ["logits"], attribute });
  nodes.push({ name: "softmax", opType: "Softmax", input: ["logits"], output: ["probabilities"] });
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    producerName: "holdfast-example",
    opsetImport: [{ domain: "", version: 13n }],
    graph: {
      name: "shapes",
      node: nodes,
      initializer: initializers,
      input: [port("image", [1, 1, side, side])],
      output: [port("probabilities", [1, network.classes])],
    },
  });
  return toBinary(ModelProtoSchema, model);
}
