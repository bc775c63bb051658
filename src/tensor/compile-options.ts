/** How a model is to be compiled, as bytes: part of a job's identity, so its encoding is canonical. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { bytesEqual, HoldfastError } from "../base/index.ts";
import { constantOf, tensorOf } from "./blueprint/codec.ts";
import { CompileOptionsSchema, type CompileOptions as Message } from "./gen/holdfast/v2/blueprint_pb.ts";
import type { ConstantData } from "./graph/graph.ts";
import { type PlanOptions, type Strategy, strategies } from "./plan/model-plan.ts";

export interface CompileOptions {
  /** Of the artifact's files. */
  readonly name: string;
  readonly strategy: Strategy;
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  readonly bind?: Readonly<Record<string, ConstantData>>;
  /** Contents of external data files, by the locations the model names. */
  readonly externalFiles?: Readonly<Record<string, Uint8Array>>;
  readonly singleFile?: boolean;
}

const sorted = <T>(record: Readonly<Record<string, T>> | undefined): [string, T][] =>
  Object.entries(record ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));

export function encodeCompileOptions(options: CompileOptions): Uint8Array {
  const message = create(CompileOptionsSchema, {
    name: options.name,
    strategy: options.strategy,
    shapes: sorted(options.shapes).map(([name, shape]) => ({ name, shape: [...shape] })),
    bindings: sorted(options.bind).map(([name, constant]) => ({ name, tensor: tensorOf(constant) })),
    externalFiles: sorted(options.externalFiles).map(([location, data]) => ({ location, data })),
    singleFile: options.singleFile ?? false,
  });
  return toBinary(CompileOptionsSchema, message);
}

/** Throws TENSOR_BAD_OPTIONS where the bytes are not canonical. */
export function decodeCompileOptions(bytes: Uint8Array): CompileOptions {
  let message: Message;
  try {
    message = fromBinary(CompileOptionsSchema, bytes);
  } catch (cause) {
    throw new HoldfastError("TENSOR_BAD_OPTIONS", "the bytes are not compile options", { cause });
  }
  const strategy = strategies.find((one) => one === message.strategy);
  if (!strategy)
    throw new HoldfastError("TENSOR_BAD_OPTIONS", `there is no strategy ${JSON.stringify(message.strategy)}`);
  const options: CompileOptions = {
    name: message.name,
    strategy,
    shapes: Object.fromEntries(message.shapes.map(({ name, shape }) => [name, shape])),
    bind: Object.fromEntries(
      message.bindings.flatMap(({ name, tensor }) => (tensor ? [[name, constantOf(tensor)]] : [])),
    ),
    externalFiles: Object.fromEntries(message.externalFiles.map(({ location, data }) => [location, data])),
    singleFile: message.singleFile,
  };
  if (!bytesEqual(encodeCompileOptions(options), bytes)) {
    throw new HoldfastError("TENSOR_BAD_OPTIONS", "the compile options do not encode to the bytes they came from");
  }
  return options;
}

/** The same as options of the planner. */
export function planOptionsOf({ name, strategy, shapes, bind, externalFiles }: CompileOptions): PlanOptions {
  return {
    name,
    strategy,
    ...(shapes ? { shapes } : {}),
    ...(bind ? { bind } : {}),
    readExternal(location, offset, length) {
      const data = externalFiles && Object.hasOwn(externalFiles, location) ? externalFiles[location] : undefined;
      const end = length === undefined ? data?.length : offset + length;
      if (data && end !== undefined && end <= data.length) return data.subarray(offset, end);
      const what = data ? `has ${data.length} bytes, but ${end} are needed` : "was not found";
      throw new HoldfastError("ONNX_EXTERNAL_DATA", `the model's data file ${JSON.stringify(location)} ${what}`, {
        hint: "keep the external data files beside the model, whole",
        details: { location },
      });
    },
  };
}
