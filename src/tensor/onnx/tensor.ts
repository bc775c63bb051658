/** ONNX tensors -> constants: every storage form, external data included, checked against the declared shape. */
import { HoldfastError } from "../../base/index.ts";
import type { TensorProto } from "../gen/onnx/onnx_pb.ts";
import { denseConstant } from "../graph/constant.ts";
import type { ConstantData } from "../graph/graph.ts";
import { graphLimits } from "../graph/verify.ts";
import { byteSizeOf, type ElementType, elementCount } from "../ir/element-type.ts";
import { elementTypeOfOnnx } from "../ir/onnx-type.ts";
import { staysInside } from "./external.ts";

const otherTypes: Readonly<Record<number, string>> = {
  8: "string",
  14: "complex64",
  15: "complex128",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  21: "uint4",
  22: "int4",
  23: "float4e2m1",
};

/** The element type of an ONNX type number, or its number back where attributes name one we do not hold. */
export function elementTypeFromOnnx(code: number, where: string): ElementType {
  const type = elementTypeOfOnnx[code];
  if (type) return type;
  throw new HoldfastError(
    "ONNX_UNSUPPORTED_TYPE",
    `${where} has element type ${otherTypes[code] ?? `number ${code}`}`,
    {
      hint: "convert the model to float32, float16, integers or bool",
      details: { type: code },
    },
  );
}

/** Reads bytes of an external data file; `location` has been checked to stay inside the model's folder. */
export type ReadExternal = (location: string, offset: number, length: number | undefined) => Uint8Array;

export function constantFromTensor(tensor: TensorProto, where: string, readExternal?: ReadExternal): ConstantData {
  const type = elementTypeFromOnnx(tensor.dataType, where);
  const shape = tensor.dims.map(Number);
  const bad = (message: string): never => {
    throw new HoldfastError("ONNX_BAD_TENSOR", `${where}: ${message}`, {
      hint: "the model is damaged: export it again",
    });
  };
  if (shape.some((extent) => extent < 0)) bad(`shape [${shape}] has a negative extent`);
  const count = checkedCount(shape, where);
  const expectedBytes = count * byteSizeOf(type);
  let bytes: Uint8Array | undefined;
  if (tensor.dataLocation === 1) bytes = readExternalTensor(tensor, where, expectedBytes, readExternal);
  else if (tensor.rawData.length > 0 || count === 0) bytes = tensor.rawData;
  if (bytes) {
    if (bytes.length !== expectedBytes)
      bad(`${bytes.length} bytes of data, but shape [${shape}] of ${type} needs ${expectedBytes}`);
    return { type, shape, splat: false, bytes: type === "bool" ? zerosAndOnes(bytes) : bytes };
  }
  const elements = fieldOf(tensor, type);
  if (elements.length !== count) bad(`${elements.length} elements of data, but shape [${shape}] needs ${count}`);
  const dense = denseConstant(type, shape, elements);
  return type === "bool" ? { ...dense, bytes: zerosAndOnes(dense.bytes) } : dense;
}

/** In memory a bool is 0 or 1; a file may hold anything. */
function zerosAndOnes(bytes: Uint8Array): Uint8Array {
  return bytes.every((byte) => byte <= 1) ? bytes : Uint8Array.from(bytes, (byte) => (byte === 0 ? 0 : 1));
}

export function checkedCount(shape: readonly number[], where: string): number {
  if (shape.length > graphLimits.rank) {
    throw new HoldfastError("TENSOR_TOO_LARGE", `${where} has rank ${shape.length}, more than ${graphLimits.rank}`);
  }
  const count = elementCount(shape);
  if (count <= graphLimits.elements && shape.every((extent) => extent <= graphLimits.elements)) return count;
  throw new HoldfastError(
    "TENSOR_TOO_LARGE",
    `${where} has shape [${shape}]: ${count} elements are more than ${graphLimits.elements}`,
    {
      hint: "reduce the shape; one WebAssembly memory holds 4 GiB",
    },
  );
}

function fieldOf(tensor: TensorProto, type: ElementType): ArrayLike<number | bigint> {
  switch (type) {
    case "float32":
      return tensor.floatData;
    case "float64":
      return tensor.doubleData;
    case "int64":
      return tensor.int64Data;
    case "uint64":
      return tensor.uint64Data;
    case "uint32":
      return tensor.uint64Data.map(Number);
    default:
      return tensor.int32Data;
  }
}

function readExternalTensor(
  tensor: TensorProto,
  where: string,
  expected: number,
  read: ReadExternal | undefined,
): Uint8Array {
  const entry = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = entry.get("location") ?? "";
  if (!staysInside(location)) {
    throw new HoldfastError(
      "ONNX_EXTERNAL_PATH",
      `${where}: external data path ${JSON.stringify(location)} leaves the model's folder`,
      {
        hint: "only files beside or below the model are read: move the data there and export again",
        details: { location },
      },
    );
  }
  if (!read) {
    throw new HoldfastError(
      "ONNX_EXTERNAL_DATA",
      `${where}: its data is in ${JSON.stringify(location)}, which was not given`,
      {
        hint: "keep the external data file beside the model, or save the model with its data inside",
        details: { location },
      },
    );
  }
  const offset = Number(entry.get("offset") ?? 0);
  const length = entry.has("length") ? Number(entry.get("length")) : expected;
  if (!Number.isSafeInteger(offset) || offset < 0 || length !== expected) {
    throw new HoldfastError(
      "ONNX_BAD_TENSOR",
      `${where}: external data of ${length} bytes at ${offset}, but ${expected} bytes are needed`,
    );
  }
  return read(location, offset, length);
}
