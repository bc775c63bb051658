/**
 * Element types of tensors (how a value lies in memory) and scalar types of expressions (how it is computed with).
 *
 * Names are numpy's. Narrow types widen on load and are wrapped or rounded on store: int8, uint8, int16 and uint16
 * compute as i32, float16 and bfloat16 as f32. In memory a bool is one byte, 0 or 1.
 */

export const elementTypes = [
  "float32",
  "float64",
  "float16",
  "bfloat16",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "bool",
] as const;

export type ElementType = (typeof elementTypes)[number];

/** The type a value has while it is computed with. */
export type ScalarType = "f32" | "f64" | "i32" | "u32" | "i64" | "u64" | "bool";

/** Extents of a tensor, outermost first; all static. */
export type Shape = readonly number[];

export interface TensorType {
  readonly type: ElementType;
  readonly shape: Shape;
}

const byteSizes: Readonly<Record<ElementType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
};

const scalarTypes: Readonly<Record<ElementType, ScalarType>> = {
  float32: "f32",
  float64: "f64",
  float16: "f32",
  bfloat16: "f32",
  int8: "i32",
  uint8: "i32",
  int16: "i32",
  uint16: "i32",
  int32: "i32",
  uint32: "u32",
  int64: "i64",
  uint64: "u64",
  bool: "bool",
};

export function byteSizeOf(type: ElementType): number {
  return byteSizes[type];
}

export function scalarTypeOf(type: ElementType): ScalarType {
  return scalarTypes[type];
}

export function isFloat(type: ElementType): boolean {
  return type === "float32" || type === "float64" || type === "float16" || type === "bfloat16";
}

/** The number of elements; 1 for a scalar (rank 0), 0 where an extent is 0. */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (const extent of shape) count *= extent;
  return count;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

export type ElementArray =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

const arrayConstructors = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** The name of the typed array that shows such elements (float16 and bfloat16 as raw bits). */
export function arrayNameOf(type: ElementType): string {
  return arrayConstructors[type].name;
}

/** A zeroed typed array of `count` elements. */
export function newArray(type: ElementType, count: number): ElementArray {
  return new arrayConstructors[type](count);
}

/** A typed view over bytes, copied first where they are not aligned. Little-endian hosts only. */
export function viewOf(type: ElementType, bytes: Uint8Array): ElementArray {
  const size = byteSizes[type];
  // A copy where the bytes are not aligned; slice() of a Node Buffer would be none.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const view = arrayConstructors[type];
  return new view(aligned.buffer as ArrayBuffer, aligned.byteOffset, Math.floor(aligned.byteLength / size));
}
