/** Operators that change or tell a shape and touch no element. */
import { assert } from "../../base/index.ts";
import { int64Constant } from "../graph/constant.ts";
import { elementCount, type Shape } from "../ir/element-type.ts";
import type { OperatorContext } from "./context.ts";
import type { InferredOutput, Lowering, OperatorDefinition } from "./definition.ts";

function aliasing(
  operator: string,
  since: number,
  shapeOf: (context: OperatorContext, shape: Shape) => Shape,
): OperatorDefinition {
  return {
    operator,
    since,
    infer(context) {
      const { type, shape } = context.input(0);
      const result = shapeOf(context, shape);
      if (elementCount(result) !== elementCount(shape)) {
        context.reject("TENSOR_SHAPE_MISMATCH", `[${shape.join(",")}] cannot be seen as [${result.join(",")}]`);
      }
      return [{ type, shape: result }];
    },
    lower: () => ({ form: "alias" }),
  };
}

/** For operators whose output is known once types are: they are never run. */
export function neverLowered(context: OperatorContext): Lowering {
  assert(false, `${context.node.operator} is computed when its type is inferred`);
}

/** A list of numbers given as an attribute (older versions) or as an input that is known now; undefined if left out. */
export function listArgument(context: OperatorContext, name: string, position: number): readonly number[] | undefined {
  if (context.has(name)) return context.ints(name);
  return context.inputs[position] ? context.constantNumbers(position) : undefined;
}

/** Axes brought into 0..rank-1, none twice. */
export function axesOf(context: OperatorContext, axes: readonly number[], rank: number): number[] {
  const result = axes.map((axis) => context.axis(axis, rank));
  if (new Set(result).size !== result.length) {
    context.reject("TENSOR_BAD_ATTRIBUTE", `axes [${axes.join(",")}] name an axis twice`);
  }
  return result;
}

/** Largest number of elements a tensor may have: offsets are 32-bit. */
const elementLimit = 2 ** 31 - 1;

/** Rejects extents that are not counts, or too many elements. */
export function checkedShape(context: OperatorContext, shape: Shape): Shape {
  if (shape.some((extent) => !Number.isInteger(extent) || extent < 0)) {
    context.reject("TENSOR_BAD_INPUT", `[${shape.join(",")}] is not a shape`);
  }
  if (elementCount(shape) > elementLimit || shape.some((extent) => extent > elementLimit)) {
    context.reject("TENSOR_TOO_LARGE", `a tensor of shape [${shape.join(",")}] has too many elements`);
  }
  return shape;
}

function reshaped(context: OperatorContext, shape: Shape): Shape {
  const wanted = context.constantNumbers(1);
  const keepZero = context.int("allowzero", 0) !== 0;
  const result = wanted.map((extent, axis) => (extent === 0 && !keepZero ? (shape[axis] ?? -2) : extent));
  const open = result.indexOf(-1);
  if (open >= 0) {
    const rest = result.reduce((product, extent, axis) => (axis === open ? product : product * extent), 1);
    const count = elementCount(shape);
    if (rest === 0 || count % rest !== 0) {
      context.reject("TENSOR_SHAPE_MISMATCH", `[${shape.join(",")}] cannot be seen as [${wanted.join(",")}]`);
    }
    result[open] = count / rest;
  }
  return checkedShape(context, result);
}

function flattened(context: OperatorContext, shape: Shape): Shape {
  const given = context.int("axis", 1);
  const axis =
    given === shape.length ? given : shape.length === 0 && given === 0 ? 0 : context.axis(given, shape.length);
  return [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))];
}

function squeezed(context: OperatorContext, shape: Shape): Shape {
  const given = listArgument(context, "axes", 1);
  if (!given) return shape.filter((extent) => extent !== 1);
  const axes = axesOf(context, given, shape.length);
  for (const axis of axes) {
    if (shape[axis] !== 1) context.reject("TENSOR_SHAPE_MISMATCH", `axis ${axis} of [${shape.join(",")}] is not 1`);
  }
  return shape.filter((_, axis) => !axes.includes(axis));
}

function unsqueezed(context: OperatorContext, shape: Shape): Shape {
  const given = listArgument(context, "axes", 1);
  if (!given) context.reject("TENSOR_BAD_INPUT", "axes are missing");
  const rank = shape.length + given.length;
  const axes = axesOf(context, given, rank);
  let next = 0;
  return Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : shape[next++]!));
}

function shapeSlice(context: OperatorContext): InferredOutput[] {
  const { shape } = context.input(0);
  const place = (value: number): number =>
    Math.min(Math.max(value < 0 ? value + shape.length : value, 0), shape.length);
  const part = shape.slice(place(context.int("start", 0)), place(context.int("end", shape.length)));
  return [{ type: "int64", shape: [part.length], constant: int64Constant([part.length], part) }];
}

function size(context: OperatorContext): InferredOutput[] {
  return [{ type: "int64", shape: [], constant: int64Constant([], [elementCount(context.input(0).shape)]) }];
}

export const shapeOperators: readonly OperatorDefinition[] = [
  aliasing("Reshape", 5, reshaped),
  aliasing("Flatten", 1, flattened),
  aliasing("Squeeze", 1, squeezed),
  aliasing("Unsqueeze", 1, unsqueezed),
  { operator: "Shape", since: 1, infer: shapeSlice, lower: neverLowered },
  { operator: "Size", since: 1, infer: size, lower: neverLowered },
];
