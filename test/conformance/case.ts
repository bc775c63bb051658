/** One case of the ONNX backend test data: a model, inputs and the outputs that are right. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import {
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
} from "../../src/tensor/gen/onnx/onnx_pb.ts";
import type { ConstantData } from "../../src/tensor/graph/graph.ts";
import { elementCount } from "../../src/tensor/ir/element-type.ts";
import { constantFromTensor } from "../../src/tensor/onnx/tensor.ts";

export interface Case {
  readonly name: string;
  readonly model: Uint8Array;
  /** Names of the operators of the model's nodes, in order. */
  readonly operators: readonly string[];
  readonly version: number;
  /** By the name of the model's input. Throws where an input is not a tensor of a type we hold. */
  inputs(): ReadonlyMap<string, ConstantData>;
  outputs(): readonly ConstantData[];
}

/** Names of the cases in a folder, sorted. */
export function caseNames(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, "model.onnx")))
    .sort();
}

export function readCase(folder: string, name: string): Case {
  const model = readFileSync(join(folder, name, "model.onnx"));
  const { graph, opsetImport } = fromBinary(ModelProtoSchema, model);
  const initialised = new Set(graph?.initializer.map((tensor) => tensor.name));
  const inputs = (graph?.input ?? []).filter(({ name: input }) => !initialised.has(input));
  const data = join(folder, name, "test_data_set_0");
  return {
    name,
    model,
    operators: (graph?.node ?? []).map((node) => node.opType),
    version: Number(opsetImport.find(({ domain }) => domain === "")?.version ?? 0),
    inputs: () => new Map(tensorsIn(data, "input", inputs).map((tensor, place) => [inputs[place]?.name ?? "", tensor])),
    outputs: () => tensorsIn(data, "output", graph?.output ?? []),
  };
}

function tensorsIn(folder: string, kind: string, declared: readonly ValueInfoProto[]): ConstantData[] {
  const tensors: ConstantData[] = [];
  for (let place = 0; existsSync(join(folder, `${kind}_${place}.pb`)); place++) {
    const tensor: TensorProto = fromBinary(TensorProtoSchema, readFileSync(join(folder, `${kind}_${place}.pb`)));
    tensors.push(asDeclared(constantFromTensor(tensor, `${kind} ${place}`), declared[place]));
  }
  return tensors;
}

/** Mends two slips of the data: bfloat16 is stored as uint16, and some inputs of CastLike have too few elements. */
function asDeclared(data: ConstantData, declared: ValueInfoProto | undefined): ConstantData {
  const type = declared?.type?.value;
  if (type?.case !== "tensorType") return data;
  const mended = type.value.elemType === 16 && data.type === "uint16" ? { ...data, type: "bfloat16" as const } : data;
  const shape = (type.value.shape?.dim ?? []).map(({ value }) =>
    value.case === "dimValue" ? Number(value.value) : -1,
  );
  if (elementCount(data.shape) !== 1 || shape.length === 0 || elementCount(shape) <= 1) return mended;
  return { ...mended, shape, splat: true };
}
