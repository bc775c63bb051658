/** Multidirectional broadcasting, as in numpy and ONNX. */
import type { Shape } from "../ir/element-type.ts";
import { stridesOf } from "../ir/element-type.ts";
import { add, div, type Expr, index as indexConstant, mul, rem } from "../ir/expression.ts";
import type { OperatorContext } from "./context.ts";

/** The common shape; rejects the node where there is none. */
export function broadcastShapes(context: OperatorContext, ...shapes: readonly Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (let axis = 0; axis < shape.length; axis++) {
      const place = rank - shape.length + axis;
      const extent = shape[axis]!;
      if (extent === 1) continue;
      if (result[place] !== 1 && result[place] !== extent) {
        const list = shapes.map((one) => `[${one.join(",")}]`).join(" and ");
        context.reject("TENSOR_SHAPE_MISMATCH", `shapes ${list} do not broadcast`);
      }
      result[place] = extent;
    }
  }
  return result;
}

/** The index into an input of `shape` that belongs to `index` of the broadcast result. */
export function broadcastIndex(index: readonly Expr[], shape: Shape): Expr[] {
  const skip = index.length - shape.length;
  return shape.map((extent, axis) => (extent === 1 ? indexConstant(0) : index[skip + axis]!));
}

/** Row-major offset of an index. */
export function linearize(index: readonly Expr[], shape: Shape): Expr {
  const strides = stridesOf(shape);
  let offset: Expr = indexConstant(0);
  for (let axis = 0; axis < shape.length; axis++) {
    if (shape[axis] !== 1) offset = add(offset, mul(index[axis]!, indexConstant(strides[axis]!)));
  }
  return offset;
}

/** The index of a row-major offset. */
export function delinearize(offset: Expr, shape: Shape): Expr[] {
  const strides = stridesOf(shape);
  const first = shape.findIndex((extent) => extent !== 1);
  return shape.map((extent, axis) => {
    if (extent === 1) return indexConstant(0);
    const quotient = div(offset, indexConstant(strides[axis]!));
    return axis === first ? quotient : rem(quotient, indexConstant(extent));
  });
}
