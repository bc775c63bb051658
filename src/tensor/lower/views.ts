/**
 * What operators read and write, when it is memory or a constant: the plain half of lowering.
 *
 * A view over a buffer loads, a sink over a buffer stores, a scratch tensor does both; a constant's view needs no
 * memory: a splat is one value whatever the index, a small constant is looked up (by a chain of selects where the
 * index is not known). Index arithmetic is row-major and folds where indices are constants.
 */
import { assert } from "../../base/index.ts";
import type { ConstantData } from "../graph/graph.ts";
import { elementCount, type Shape, scalarTypeOf, type TensorType, viewOf } from "../ir/element-type.ts";
import { compare, constant, type Expr, index as indexConstant, load, select } from "../ir/expression.ts";
import { bfloat16ToNumber, float16ToNumber } from "../ir/half-float.ts";
import type { BufferDeclaration } from "../ir/kernel.ts";
import { linearize } from "../operators/broadcast.ts";
import type { ScratchTensor, TensorSink, TensorView } from "../operators/definition.ts";

/** The most elements a constant may have to be written into the program text as selects. */
export const inlineLimit = 64;

/** A tensor that lies in a buffer. */
export function bufferView(declaration: BufferDeclaration, shape: Shape): TensorView {
  const { id, type, count } = declaration;
  assert(elementCount(shape) === count, `buffer ${id} has ${count} elements, not [${shape}]`);
  const scalar = scalarTypeOf(type);
  return {
    type,
    shape,
    at: (index) => load(scalar, id, linearize(index, shape)),
    atOffset: (offset) => load(scalar, id, offset),
  };
}

/** An output that lies in a buffer. Stores wrap and round to the buffer's type. */
export function bufferSink(declaration: BufferDeclaration, shape: Shape): TensorSink {
  const { id, type, count } = declaration;
  assert(elementCount(shape) === count, `buffer ${id} has ${count} elements, not [${shape}]`);
  const scalar = scalarTypeOf(type);
  return {
    type,
    shape,
    store(index, value) {
      assert(value.type === scalar, `a ${value.type} is stored into ${type}`);
      return [{ do: "store", buffer: id, offset: linearize(index, shape), value }];
    },
  };
}

/** Memory of an operator's own. */
export function bufferScratch(declaration: BufferDeclaration): ScratchTensor {
  const { id, type, count } = declaration;
  const scalar = scalarTypeOf(type);
  return {
    type,
    count,
    load: (offset) => load(scalar, id, offset),
    store(offset, value) {
      assert(value.type === scalar, `a ${value.type} is stored into ${type}`);
      return { do: "store", buffer: id, offset, value };
    },
  };
}

/** A splat or a small constant, as expressions. */
export function constantView(data: ConstantData): TensorView {
  const { type, shape } = data;
  const elements = scalarsOf(data);
  const atOffset = (offset: Expr): Expr => {
    if (data.splat || elements.length === 1) return elements[0]!;
    if (offset.op === "const") {
      const element = elements[Number(offset.value)];
      assert(element, `offset ${offset.value} lies outside a constant of ${elements.length}`);
      return element;
    }
    let value = elements[elements.length - 1]!;
    for (let place = elements.length - 2; place >= 0; place--) {
      value = select(compare("eq", offset, indexConstant(place)), elements[place]!, value);
    }
    return value;
  };
  return {
    type,
    shape,
    at: (index) => atOffset(linearize(index, shape)),
    atOffset,
  };
}

function scalarsOf(data: ConstantData): readonly Expr[] {
  const scalar = scalarTypeOf(data.type);
  const view = viewOf(data.type, data.bytes);
  const count = data.splat ? 1 : view.length;
  assert(count <= inlineLimit, `a constant of ${count} elements is not written into code`);
  return Array.from({ length: count }, (_, place) => constant(scalar, decode(data.type, view[place]!)));
}

/** The value of an element as it lies in memory. */
function decode(type: TensorType["type"], element: number | bigint): number | bigint {
  if (type === "float16") return float16ToNumber(Number(element));
  if (type === "bfloat16") return bfloat16ToNumber(Number(element));
  return element;
}
