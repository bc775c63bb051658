/**
 * Pooling: windows and whole images, in NCHW or, where the layout pass says so (`channels_last`), in NHWC. In NHWC the
 * channel loop is innermost, so that lanes run along channels.
 */
import { elementCount, isFloat, type Shape, scalarTypeOf } from "../ir/element-type.ts";
import { add, cast, compare, constant, div, type Expr, index, mul, select, unary } from "../ir/expression.ts";
import type { Stmt } from "../ir/kernel.ts";
import { linearize } from "./broadcast.ts";
import type { OperatorContext } from "./context.ts";
import type { LoopsIo, OperatorDefinition } from "./definition.ts";
import { combine, identityOf } from "./reduction.ts";
import { tapOf, type Window, windowOf } from "./window.ts";

interface Layout {
  readonly last: boolean;
  readonly batch: number;
  readonly channels: number;
  readonly spatial: readonly number[];
}

function layoutOf(context: OperatorContext): Layout {
  const { shape } = context.input(0);
  if (shape.length < 3) context.reject("TENSOR_SHAPE_MISMATCH", `an image of shape [${shape}] has no spatial axes`);
  const last = context.int("channels_last", 0) === 1;
  const spatial = last ? shape.slice(1, -1) : shape.slice(2);
  return { last, batch: shape[0]!, channels: last ? shape.at(-1)! : shape[1]!, spatial };
}

function shapeOf(layout: Layout, spatial: readonly number[]): number[] {
  return layout.last ? [layout.batch, ...spatial, layout.channels] : [layout.batch, layout.channels, ...spatial];
}

/** Splits an index into batch, channel and spatial parts, and puts one together. */
function parts(
  layout: Layout,
  place: readonly Expr[],
): { readonly spatial: readonly Expr[]; join(spatial: readonly Expr[]): Expr[] } {
  if (layout.last) {
    const channel = place.at(-1)!;
    return { spatial: place.slice(1, -1), join: (spatial) => [place[0]!, ...spatial, channel] };
  }
  return { spatial: place.slice(2), join: (spatial) => [place[0]!, place[1]!, ...spatial] };
}

function pooled(context: OperatorContext): {
  readonly layout: Layout;
  readonly window: Window;
  readonly shape: number[];
} {
  const layout = layoutOf(context);
  const window = windowOf(context, layout.spatial, context.ints("kernel_shape"));
  return { layout, window, shape: shapeOf(layout, window.output) };
}

function floats(context: OperatorContext): void {
  if (!isFloat(context.input(0).type))
    context.reject("TENSOR_UNSUPPORTED_TYPE", `${context.input(0).type} is not taken, only floats`);
}

const maxPool: OperatorDefinition = {
  operator: "MaxPool",
  since: 1,
  infer(context) {
    const { shape } = pooled(context);
    return [
      { type: context.input(0).type, shape },
      { type: "int64", shape },
    ];
  },
  lower(context) {
    const { layout, window, shape } = pooled(context);
    const { type, shape: input } = context.input(0);
    const lowest = identityOf("max", type);
    const columnMajor = context.int("storage_order", 0) === 1;
    return {
      form: "loops",
      emit: (io) =>
        io.build.eachIndex(shape, (place) => {
          const { spatial, join } = parts(layout, place);
          const value = (tap: readonly Expr[]): Expr => {
            const at = tapOf(window, spatial, tap);
            const element = io.inputs[0]!.at(join(at.index));
            return at.inside ? select(at.inside, element, lowest) : element;
          };
          const greatest = combine(io, window.kernel, "max", lowest, value);
          const stores = io.outputs[0] ? io.outputs[0].store(place, greatest.result) : [];
          const indices = io.outputs[1]
            ? placeOfGreatest(io, { layout, window, input, columnMajor }, place, greatest.result)
            : [];
          return [...greatest.statements, ...stores, ...indices];
        }),
    };
  },
};

interface PlaceSearch {
  readonly layout: Layout;
  readonly window: Window;
  readonly input: Shape;
  readonly columnMajor: boolean;
}

/** The flat place in the input of the first tap that holds the greatest element. */
function placeOfGreatest(io: LoopsIo, search: PlaceSearch, place: readonly Expr[], greatest: Expr): Stmt[] {
  const { layout, window, input, columnMajor } = search;
  const { spatial, join } = parts(layout, place);
  const none = index(2 ** 31 - 1);
  const found = combine(io, window.kernel, "min", none, (tap) => {
    const at = tapOf(window, spatial, tap);
    const hit = compare("eq", io.inputs[0]!.at(join(at.index)), greatest);
    const inside: Expr = at.inside ? { op: "binary", type: "bool", fn: "and", a: hit, b: at.inside } : hit;
    return select(inside, linearize(join(at.index), input), none);
  });
  if (!columnMajor) return [...found.statements, ...io.outputs[1]!.store(place, cast("i64", found.result))];
  const area = elementCount(layout.spatial);
  const within: Expr = { op: "binary", type: "i32", fn: "rem", a: found.result, b: index(area) };
  let rest: Expr = within;
  const spatialIndex = [...layout.spatial].reverse().map((extent) => {
    const part: Expr = { op: "binary", type: "i32", fn: "rem", a: rest, b: index(extent) };
    rest = div(rest, index(extent));
    return part;
  });
  spatialIndex.reverse();
  let offset: Expr = index(0);
  let stride = 1;
  for (const [axis, part] of spatialIndex.entries()) {
    offset = add(offset, mul(part, index(stride)));
    stride *= layout.spatial[axis]!;
  }
  const image = mul(div(found.result, index(area)), index(area));
  return [...found.statements, ...io.outputs[1]!.store(place, cast("i64", add(image, offset)))];
}

const averagePool: OperatorDefinition = {
  operator: "AveragePool",
  since: 1,
  infer(context) {
    floats(context);
    return [{ type: context.input(0).type, shape: pooled(context).shape }];
  },
  lower(context) {
    const { layout, window, shape } = pooled(context);
    const scalar = scalarTypeOf(context.input(0).type);
    const zero = constant(scalar, 0);
    const countPadding = context.int("count_include_pad", 0) === 1;
    return {
      form: "loops",
      emit: (io) =>
        io.build.eachIndex(shape, (place) => {
          const { spatial, join } = parts(layout, place);
          const sum = combine(io, window.kernel, "add", zero, (tap) => {
            const at = tapOf(window, spatial, tap);
            const element = io.inputs[0]!.at(join(at.index));
            return at.inside ? select(at.inside, element, zero) : element;
          });
          const counted = countOf(window, spatial, countPadding);
          return [...sum.statements, ...io.outputs[0]!.store(place, div(sum.result, cast(scalar, counted)))];
        }),
    };
  },
};

/** How many taps a window's mean is taken over: those in the image, or with its padding, but not beyond that. */
function countOf(window: Window, spatial: readonly Expr[], withPadding: boolean): Expr {
  let count: Expr = index(1);
  for (const [axis, out] of spatial.entries()) {
    const begin = withPadding ? 0 : window.padsBegin[axis]!;
    const limit =
      window.input[axis]! + (withPadding ? window.padsBegin[axis]! + window.padsEnd[axis]! : window.padsBegin[axis]!);
    const start = mul(out, index(window.strides[axis]!));
    const step = window.dilations[axis]!;
    // Taps t with begin <= start + t·step < limit.
    const kernel = window.kernel[axis]!;
    const low = ceilDivide(add(index(begin), unaryNegate(start)), step);
    const high = ceilDivide(add(index(limit), unaryNegate(start)), step);
    const first: Expr = { op: "binary", type: "i32", fn: "max", a: low, b: index(0) };
    const end: Expr = { op: "binary", type: "i32", fn: "min", a: high, b: index(kernel) };
    const always = begin === 0 && (window.output[axis]! - 1) * window.strides[axis]! + (kernel - 1) * step < limit;
    count = mul(count, always ? index(kernel) : add(end, unaryNegate(first)));
  }
  return count;
}

function unaryNegate(value: Expr): Expr {
  return mul(value, index(-1));
}

/** ceil(a / b) for a constant b > 0 and any a above -b·2^20. */
function ceilDivide(a: Expr, b: number): Expr {
  if (b === 1) return a;
  const lift = 2 ** 20;
  return add(div(add(a, index(b * lift + b - 1)), index(b)), index(-lift));
}

type GlobalKind = "max" | "average" | "lp";

function globalPool(operator: string, kind: GlobalKind): OperatorDefinition {
  return {
    operator,
    since: 1,
    infer(context) {
      floats(context);
      const layout = layoutOf(context);
      return [
        {
          type: context.input(0).type,
          shape: shapeOf(
            layout,
            layout.spatial.map(() => 1),
          ),
        },
      ];
    },
    lower(context) {
      const layout = layoutOf(context);
      const { type } = context.input(0);
      const scalar = scalarTypeOf(type);
      const p = kind === "lp" ? context.int("p", 2) : 0;
      return {
        form: "loops",
        emit: (io) =>
          io.build.eachIndex(
            shapeOf(
              layout,
              layout.spatial.map(() => 1),
            ),
            (place) => {
              const { join } = parts(layout, place);
              const init = kind === "max" ? identityOf("max", type) : constant(scalar, 0);
              const { statements, result } = combine(io, layout.spatial, kind === "max" ? "max" : "add", init, (at) => {
                const element = io.inputs[0]!.at(join(at));
                return kind === "lp" ? powerOf(unary("abs", element), p) : element;
              });
              const count = constant(scalar, elementCount(layout.spatial));
              const finished =
                kind === "average" ? div(result, count) : kind === "lp" ? powerOf(result, 1 / p) : result;
              return [...statements, ...io.outputs[0]!.store(place, finished)];
            },
          ),
      };
    },
  };
}

function powerOf(value: Expr, exponent: number): Expr {
  if (exponent === 1) return value;
  if (exponent === 2) return mul(value, value);
  if (exponent === 0.5) return unary("sqrt", value);
  return { op: "binary", type: value.type, fn: "pow", a: value, b: constant(value.type, exponent) };
}

const lpPool: OperatorDefinition = {
  operator: "LpPool",
  since: 2,
  infer(context) {
    floats(context);
    return [{ type: context.input(0).type, shape: pooled(context).shape }];
  },
  lower(context) {
    const { layout, window, shape } = pooled(context);
    const zero = constant(scalarTypeOf(context.input(0).type), 0);
    const p = context.int("p", 2);
    return {
      form: "loops",
      emit: (io) =>
        io.build.eachIndex(shape, (place) => {
          const { spatial, join } = parts(layout, place);
          const sum = combine(io, window.kernel, "add", zero, (tap) => {
            const at = tapOf(window, spatial, tap);
            const element = powerOf(unary("abs", io.inputs[0]!.at(join(at.index))), p);
            return at.inside ? select(at.inside, element, zero) : element;
          });
          return [...sum.statements, ...io.outputs[0]!.store(place, powerOf(sum.result, 1 / p))];
        }),
    };
  },
};

export const pooling: readonly OperatorDefinition[] = [
  maxPool,
  averagePool,
  lpPool,
  globalPool("GlobalMaxPool", "max"),
  globalPool("GlobalAveragePool", "average"),
  globalPool("GlobalLpPool", "lp"),
];
