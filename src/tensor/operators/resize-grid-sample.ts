/**
 * GridSample of images: each output element reads the input at coordinates that are data, from -1 to 1.
 *
 * Beyond the border lies zero, the nearest border element, or the image mirrored.
 */
import { elementCount, type Shape } from "../ir/element-type.ts";
import {
  add,
  and,
  cast,
  compare,
  constant,
  div,
  type Expr,
  index,
  max,
  min,
  mul,
  rem,
  select,
  sub,
  unary,
} from "../ir/expression.ts";
import type { OperatorContext } from "./context.ts";
import type { OperatorDefinition, TensorView } from "./definition.ts";

interface Sampling {
  readonly mode: "nearest" | "linear" | "cubic";
  readonly padding: string;
  readonly alignCorners: boolean;
}

const modes: Readonly<Record<string, Sampling["mode"]>> = {
  nearest: "nearest",
  bilinear: "linear",
  linear: "linear",
  bicubic: "cubic",
  cubic: "cubic",
};

function samplingOf(context: OperatorContext): Sampling {
  const name = context.string("mode", "bilinear");
  const mode = modes[name];
  const padding = context.string("padding_mode", "zeros");
  if (!mode) context.reject("TENSOR_BAD_ATTRIBUTE", `mode is ${JSON.stringify(name)}`);
  if (!["zeros", "border", "reflection"].includes(padding))
    context.reject("TENSOR_BAD_ATTRIBUTE", `padding_mode is ${JSON.stringify(padding)}`);
  return { mode, padding, alignCorners: context.int("align_corners", 0) !== 0 };
}

const float = (value: number): Expr => constant("f32", value);

/** A coordinate mirrored at the image's ends until it lies inside. */
function reflected(x: Expr, extent: number, alignCorners: boolean): Expr {
  const low = alignCorners ? 0 : -0.5;
  const range = alignCorners ? extent - 1 : extent;
  if (range === 0) return float(0);
  const distance = unary("abs", sub(x, float(low)));
  const turns = unary("floor", div(distance, float(range)));
  const extra = sub(distance, mul(turns, float(range)));
  const even = compare("eq", rem(turns, float(2)), float(0));
  return select(even, add(extra, float(low)), sub(float(range + low), extra));
}

interface Tap {
  readonly place: Expr;
  readonly weight: Expr;
  /** Absent where it always counts. */
  readonly inside?: Expr;
}

/** A tap at a whole coordinate, brought into the image as the padding says. */
function tapAt(coordinate: Expr, weight: Expr, extent: number, { padding, alignCorners }: Sampling): Tap {
  const mirrored =
    padding === "reflection" ? unary("nearest", reflected(coordinate, extent, alignCorners)) : coordinate;
  const place = min(max(cast("i32", mirrored), index(0)), index(extent - 1));
  if (padding !== "zeros") return { place, weight };
  return {
    place,
    weight,
    inside: and(compare("ge", coordinate, float(0)), compare("le", coordinate, float(extent - 1))),
  };
}

function tapsOf(given: Expr, extent: number, sampling: Sampling): Tap[] {
  const { mode, padding, alignCorners } = sampling;
  const raw = alignCorners
    ? mul(div(add(given, float(1)), float(2)), float(extent - 1))
    : div(sub(mul(add(given, float(1)), float(extent)), float(1)), float(2));
  if (mode === "nearest") return [tapAt(unary("nearest", raw), float(1), extent, sampling)];
  const last = float(extent - 1);
  const brought = padding === "border" ? raw : reflected(raw, extent, alignCorners);
  // Cubic interpolation brings its taps into the image, not the coordinate.
  const x = mode === "cubic" || padding === "zeros" ? raw : min(max(brought, float(0)), last);
  const below = unary("floor", x);
  const ratio = sub(x, below);
  const next = (step: number): Expr => add(below, float(step));
  if (mode === "linear")
    return [tapAt(below, sub(float(1), ratio), extent, sampling), tapAt(next(1), ratio, extent, sampling)];
  return cubicWeights(ratio).map((weight, tap) => tapAt(next(tap - 1), weight, extent, sampling));
}

function cubicWeights(ratio: Expr): Expr[] {
  const a = -0.75;
  const horner = (t: Expr, ...coefficients: number[]): Expr =>
    coefficients.slice(1).reduce<Expr>((sum, one) => add(mul(sum, t), float(one)), float(coefficients[0]!));
  const near = (t: Expr): Expr => horner(t, a + 2, -(a + 3), 0, 1);
  const far = (t: Expr): Expr => horner(t, a, -5 * a, 8 * a, -4 * a);
  const rest = sub(float(1), ratio);
  return [far(add(ratio, float(1))), near(ratio), near(rest), far(add(rest, float(1)))];
}

function sampled(
  image: TensorView,
  outer: readonly Expr[],
  taps: readonly (readonly Tap[])[],
  source: readonly Expr[],
): Expr {
  const axis = source.length;
  if (axis === taps.length) return image.at([...outer, ...source]);
  return taps[axis]!.map(({ place, weight, inside }) => {
    const value = sampled(image, outer, taps, [...source, place]);
    return mul(inside ? select(inside, value, float(0)) : value, weight);
  }).reduce((sum, one) => add(sum, one));
}

function outputShape(image: Shape, grid: Shape): number[] {
  return [image[0]!, image[1]!, ...grid.slice(1, -1)];
}

const gridSample: OperatorDefinition = {
  operator: "GridSample",
  since: 16,
  infer(context) {
    const [x, grid] = [context.input(0), context.input(1)];
    samplingOf(context);
    if (x.type !== "float32" || grid.type !== "float32")
      context.reject("TENSOR_UNSUPPORTED_TYPE", "only float32 is taken");
    if (x.shape.length !== 4)
      context.reject("TENSOR_UNSUPPORTED_FORM", `images of shape [${x.shape}]: only two spatial axes are taken`);
    if (grid.shape.length !== 4 || grid.shape[3] !== 2 || grid.shape[0] !== x.shape[0] || elementCount(x.shape) === 0) {
      context.reject("TENSOR_SHAPE_MISMATCH", `grid [${grid.shape}] for images [${x.shape}]`);
    }
    return [{ type: x.type, shape: outputShape(x.shape, grid.shape) }];
  },
  lower(context) {
    const sampling = samplingOf(context);
    const [height, width] = context.input(0).shape.slice(2) as [number, number];
    return {
      form: "loops",
      emit: (io) =>
        io.build.eachIndex(outputShape(context.input(0).shape, context.input(1).shape), (place) => {
          const [batch, channel, row, column] = place as unknown as [Expr, Expr, Expr, Expr];
          const given = (which: number): Expr => io.inputs[1]!.at([batch, row, column, index(which)]);
          const taps = [tapsOf(given(1), height, sampling), tapsOf(given(0), width, sampling)];
          return io.outputs[0]!.store(place, sampled(io.inputs[0]!, [batch, channel], taps, []));
        }),
    };
  },
};

export const gridSampling: readonly OperatorDefinition[] = [gridSample];
