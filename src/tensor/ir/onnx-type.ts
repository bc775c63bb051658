/** Element types by ONNX's TensorProto.DataType numbers, as tensors and attributes name them. */
import type { ElementType } from "./element-type.ts";

export const elementTypeOfOnnx: Readonly<Record<number, ElementType>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
  16: "bfloat16",
};
