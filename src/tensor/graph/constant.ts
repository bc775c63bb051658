/** Makes, reads and permutes tensor contents known at compile time; a splat stays a splat. */
import { type ElementType, elementCount, newArray, type Shape, stridesOf, viewOf } from "../ir/element-type.ts";
import type { ConstantData } from "./graph.ts";

export function denseConstant(type: ElementType, shape: Shape, elements: ArrayLike<number | bigint>): ConstantData {
  const array = newArray(type, elements.length);
  for (let place = 0; place < elements.length; place++)
    (array as { [place: number]: number | bigint })[place] = elements[place]!;
  return { type, shape, splat: false, bytes: new Uint8Array(array.buffer) };
}

export function int64Constant(shape: Shape, elements: readonly number[]): ConstantData {
  return denseConstant("int64", shape, elements.map(BigInt));
}

/** All elements as a typed array; a splat is written out. */
export function elementsOf(constant: ConstantData): ReturnType<typeof viewOf> {
  const view = viewOf(constant.type, constant.bytes);
  if (!constant.splat) return view;
  const all = newArray(constant.type, elementCount(constant.shape));
  (all as { fill(value: number | bigint): unknown }).fill(view[0]!);
  return all;
}

/** The same elements under another shape of equal count. */
export function reshapeConstant(constant: ConstantData, shape: Shape): ConstantData {
  return { ...constant, shape };
}

/** Axes reordered: axis i of the result is axis permutation[i] of the constant. */
export function transposeConstant(constant: ConstantData, permutation: readonly number[]): ConstantData {
  const shape = permutation.map((axis) => constant.shape[axis]!);
  if (constant.splat) return { ...constant, shape };
  const source = viewOf(constant.type, constant.bytes) as { [place: number]: number };
  const target = newArray(constant.type, elementCount(shape)) as unknown as {
    [place: number]: number;
    buffer: ArrayBuffer;
  };
  const from = stridesOf(constant.shape);
  const steps = permutation.map((axis) => from[axis]!);
  const index = new Array<number>(shape.length).fill(0);
  const count = elementCount(shape);
  let offset = 0;
  for (let place = 0; place < count; place++) {
    target[place] = source[offset]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += steps[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      offset -= steps[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return { type: constant.type, shape, splat: false, bytes: new Uint8Array(target.buffer) };
}
