/** Pad in all its modes, CenterCropPad: the output reads the input at a shifted place, or a value beside it. */
import { elementCount, type Shape, scalarTypeOf } from "../ir/element-type.ts";
import {
  add,
  and,
  constant,
  type Expr,
  index as indexConstant,
  max,
  min,
  rem,
  select,
  sub,
  within,
} from "../ir/expression.ts";
import type { OperatorContext } from "./context.ts";
import type { OperatorDefinition, TensorView } from "./definition.ts";
import { requireSameType, requireSingle } from "./elementwise.ts";
import { axesOf, checkedShape, listArgument } from "./shape.ts";

type Mode = "constant" | "edge" | "reflect" | "wrap";

/** What is put before each axis, and after; negative takes away. */
interface Padding {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

function paddingOf(context: OperatorContext): Padding {
  const rank = context.input(0).shape.length;
  const given = listArgument(context, "pads", 1);
  if (!given) context.reject("TENSOR_BAD_INPUT", "pads are missing");
  const listed = context.inputs[3] ? context.constantNumbers(3) : undefined;
  const axes = listed ? axesOf(context, listed, rank) : Array.from({ length: rank }, (_, axis) => axis);
  if (given.length !== 2 * axes.length) {
    context.reject("TENSOR_BAD_INPUT", `${given.length} pads for ${axes.length} axes`);
  }
  const before = new Array<number>(rank).fill(0);
  const after = new Array<number>(rank).fill(0);
  for (const [place, axis] of axes.entries()) {
    before[axis] = given[place]!;
    after[axis] = given[axes.length + place]!;
  }
  return { before, after };
}

function modeOf(context: OperatorContext): Mode {
  const mode = context.string("mode", "constant");
  if (mode !== "constant" && mode !== "edge" && mode !== "reflect" && !(mode === "wrap" && context.version >= 19)) {
    context.reject("TENSOR_BAD_ATTRIBUTE", `mode is ${JSON.stringify(mode)}`);
  }
  return mode;
}

/** The place along an axis that is read for a place counted from the input's start. */
function sourcePlace(place: Expr, extent: number, mode: Mode): Expr {
  const last = indexConstant(extent - 1);
  const period = mode === "wrap" ? extent : 2 * (extent - 1);
  if (mode === "constant" || mode === "edge" || extent <= 1) {
    return min(max(place, indexConstant(0)), last);
  }
  const positive = rem(add(rem(place, indexConstant(period)), indexConstant(period)), indexConstant(period));
  return mode === "wrap" ? positive : min(positive, sub(indexConstant(period), positive));
}

/** Elements of `view` at an index of a result that starts `before` places earlier. */
function shifted(
  view: TensorView,
  index: readonly Expr[],
  before: readonly number[],
  result: Shape,
  mode: Mode,
  fill: Expr,
): Expr {
  if (elementCount(view.shape) === 0) return fill;
  let inside: Expr = constant("bool", 1);
  const source = view.shape.map((extent, axis) => {
    const place = add(index[axis]!, indexConstant(-before[axis]!));
    // Nothing beside the input is asked for.
    if (before[axis]! <= 0 && result[axis]! - before[axis]! <= extent) return place;
    if (mode === "constant") inside = join(inside, within(place, indexConstant(0), indexConstant(extent)));
    return sourcePlace(place, extent, mode);
  });
  return select(inside, view.at(source), fill);
}

function join(a: Expr, b: Expr): Expr {
  return a.op === "const" ? b : and(a, b);
}

const pad: OperatorDefinition = {
  operator: "Pad",
  since: 2,
  infer(context) {
    const { type, shape } = context.input(0);
    const { before, after } = paddingOf(context);
    const mode = modeOf(context);
    if (context.inputs[2]) {
      requireSameType(context, 0, 2);
      requireSingle(context, 2);
    }
    const result = shape.map((extent, axis) => extent + before[axis]! + after[axis]!);
    if (mode !== "constant" && shape.some((extent, axis) => extent === 0 && result[axis]! > 0)) {
      context.reject("TENSOR_SHAPE_MISMATCH", `mode ${mode} has nothing to repeat in [${shape.join(",")}]`);
    }
    return [{ type, shape: checkedShape(context, result) }];
  },
  lower(context) {
    const { before } = paddingOf(context);
    const mode = modeOf(context);
    const { shape } = context.outputs[0]!;
    const scalar = scalarTypeOf(context.input(0).type);
    return {
      form: "map",
      elementwise: false,
      at(index, [input, , value]) {
        const fill = value
          ? value.atOffset(indexConstant(0))
          : constant(scalar, scalar === "bool" ? 0 : context.float("value", 0));
        return shifted(input!, index, before, shape, mode, fill);
      },
    };
  },
};

const centerCropPad: OperatorDefinition = {
  operator: "CenterCropPad",
  since: 18,
  infer(context) {
    const { type, shape } = context.input(0);
    const axes = axesOf(context, context.ints("axes", [...shape.keys()]), shape.length);
    const wanted = context.constantNumbers(1);
    if (wanted.length !== axes.length) {
      context.reject("TENSOR_BAD_INPUT", `${wanted.length} extents for ${axes.length} axes`);
    }
    const result = shape.map((extent, axis) => (axes.includes(axis) ? wanted[axes.indexOf(axis)]! : extent));
    return [{ type, shape: checkedShape(context, result) }];
  },
  lower(context) {
    const { shape, type } = context.input(0);
    const result = context.outputs[0]!.shape;
    // An odd difference crops one less, and pads one less, at the start.
    const before = shape.map((extent, axis) => Math.trunc((result[axis]! - extent) / 2));
    const zero = constant(scalarTypeOf(type), 0);
    return {
      form: "map",
      elementwise: false,
      at: (index, [input]) => shifted(input!, index, before, result, "constant", zero),
    };
  },
};

export const padOperators: readonly OperatorDefinition[] = [pad, centerCropPad];
