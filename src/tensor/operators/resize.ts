/**
 * Resize and Upsample. Scales, sizes and regions are known when compiling.
 *
 * Nearest neighbours are a map. Linear and cubic interpolation first write, for each resized axis, the neighbours and
 * weights of every place to scratch, and then sum over the taps of all axes.
 */
import { elementCount, isFloat, type Shape, scalarTypeOf } from "../ir/element-type.ts";
import { add, and, cast, constant, type Expr, index, mul, select } from "../ir/expression.ts";
import type { Stmt } from "../ir/kernel.ts";
import type { OperatorContext } from "./context.ts";
import type { LoopsIo, OperatorDefinition, ScratchTensor } from "./definition.ts";
import {
  type CoordinateMode,
  coordinateModes,
  cubicTaps,
  insideCrop,
  linearTaps,
  type NearestMode,
  nearestModes,
  nearestPlace,
  type ResizedAxis,
} from "./resize-axis.ts";

interface Resizing {
  readonly axes: readonly ResizedAxis[];
  readonly mode: string;
  readonly coordinates: CoordinateMode;
  readonly nearest: NearestMode;
  readonly cubic: number;
  readonly excludeOutside: boolean;
  readonly extrapolation: number;
}

/** Places of the inputs, which moved with the versions. */
function argumentsOf(context: OperatorContext): {
  readonly roi?: number;
  readonly scales?: number;
  readonly sizes?: number;
} {
  const given = (position: number): boolean => {
    const input = context.inputs[position];
    return input !== undefined && elementCount(input.shape) > 0;
  };
  if (context.node.operator === "Upsample" || context.version < 11) return { scales: 1 };
  return { roi: 1, ...(given(2) ? { scales: 2 } : {}), ...(given(3) ? { sizes: 3 } : {}) };
}

function scaleNumbers(context: OperatorContext, position: number | undefined): readonly number[] | undefined {
  if (context.node.operator === "Upsample" && context.version < 9) return context.floats("scales");
  if (position === undefined) return undefined;
  if (context.input(position).type !== "float32")
    context.reject("TENSOR_UNSUPPORTED_TYPE", "the scales are not float32");
  return context.constantNumbers(position);
}

function choice<T extends string>(context: OperatorContext, name: string, all: readonly T[], fallback: T): T {
  const value = context.string(name, fallback);
  const found = all.find((one) => one === value);
  if (found === undefined) context.reject("TENSOR_BAD_ATTRIBUTE", `${name} is ${JSON.stringify(value)}`);
  return found;
}

function resizingOf(context: OperatorContext): Resizing {
  const modern = context.node.operator === "Resize" && context.version >= 11;
  const coordinates = modern
    ? choice(context, "coordinate_transformation_mode", coordinateModes, "half_pixel")
    : "asymmetric";
  const nearest = modern ? choice(context, "nearest_mode", nearestModes, "round_prefer_floor") : "floor";
  const mode = choice(context, "mode", ["nearest", "linear", "cubic"] as const, "nearest");
  if (modern && context.int("antialias", 0) !== 0) context.reject("TENSOR_UNSUPPORTED_FORM", "antialias is not taken");
  const { type } = context.input(0);
  if (mode !== "nearest" && !isFloat(type)) context.reject("TENSOR_UNSUPPORTED_TYPE", `${type} is not interpolated`);
  const axes = axesOf(context, coordinates === "tf_crop_and_resize");
  if (
    coordinates === "pytorch_half_pixel" &&
    mode === "cubic" &&
    axes.some(({ input, output }) => output === 1 && input > 1)
  ) {
    context.reject(
      "TENSOR_UNSUPPORTED_FORM",
      "cubic interpolation to one element by pytorch_half_pixel is not settled",
    );
  }
  return {
    axes,
    mode,
    coordinates,
    nearest,
    cubic: context.float("cubic_coeff_a", -0.75),
    excludeOutside: context.int("exclude_outside", 0) !== 0,
    extrapolation: context.float("extrapolation_value", 0),
  };
}

function axesOf(context: OperatorContext, crop: boolean): ResizedAxis[] {
  const { shape } = context.input(0);
  const places = argumentsOf(context);
  const listed = context.version >= 18 ? context.ints("axes", []) : [];
  const named =
    listed.length > 0 ? listed.map((axis) => context.axis(axis, shape.length)) : shape.map((_, axis) => axis);
  const sizes = places.sizes === undefined ? undefined : fitted(context, context.constantNumbers(places.sizes), named);
  const scales = sizes ? undefined : scaleNumbers(context, places.scales);
  const roi = crop ? context.constantNumbers(places.roi ?? 1) : [];
  const given = sizes ?? scales;
  if (!given) context.reject("TENSOR_BAD_INPUT", "neither scales nor sizes are given");
  if (given.length !== named.length || (crop && roi.length !== 2 * named.length)) {
    context.reject("TENSOR_BAD_INPUT", `${given.length} scales or sizes for ${named.length} axes`);
  }
  return shape.map((input, axis): ResizedAxis => {
    const place = named.indexOf(axis);
    if (place < 0) return { input, output: input, scale: 1, start: 0, end: 1 };
    const [start, end] = crop ? [roi[place]!, roi[named.length + place]!] : [0, 1];
    const scale = sizes ? sizes[place]! / input : scales![place]!;
    if (!(scale > 0) || !Number.isFinite(scale)) context.reject("TENSOR_BAD_INPUT", `a scale is ${scale}`);
    const output = sizes ? sizes[place]! : Math.floor((crop ? input * (end - start) : input) * scale);
    if (!Number.isInteger(output) || output < 1 || output > 2 ** 24)
      context.reject("TENSOR_BAD_INPUT", `axis ${axis} would have ${output} elements`);
    return { input, output, scale, start, end };
  });
}

/** Sizes as keep_aspect_ratio_policy wants them. */
function fitted(context: OperatorContext, sizes: readonly number[], named: readonly number[]): readonly number[] {
  const { shape } = context.input(0);
  const policy = context.version >= 18 ? context.string("keep_aspect_ratio_policy", "stretch") : "stretch";
  if (policy === "stretch") return sizes;
  const ratios = named.map((axis, place) => sizes[place]! / shape[axis]!);
  if (policy !== "not_larger" && policy !== "not_smaller")
    context.reject("TENSOR_BAD_ATTRIBUTE", `keep_aspect_ratio_policy is ${JSON.stringify(policy)}`);
  const scale = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  return named.map((axis) => Math.floor(scale * shape[axis]! + 0.5));
}

const isSame = (axis: ResizedAxis, crop: boolean): boolean =>
  axis.input === axis.output && axis.scale === 1 && (!crop || (axis.start === 0 && axis.end === 1));

/** The value, or what stands for it where the crop lies outside. */
function extrapolated(resizing: Resizing, place: readonly Expr[], value: Expr): Expr {
  if (resizing.coordinates !== "tf_crop_and_resize") return value;
  const inside = resizing.axes
    .map((axis, position): Expr => (isSame(axis, true) ? constant("bool", 1) : insideCrop(axis, place[position]!)))
    .reduce((all, one) => and(all, one), constant("bool", 1) as Expr);
  const outside: Expr =
    value.type === "f32" || value.type === "f64"
      ? constant(value.type, resizing.extrapolation)
      : cast(value.type, constant("f32", resizing.extrapolation));
  return select(inside, value, outside);
}

interface AxisTable {
  readonly taps: number;
  readonly places: ScratchTensor;
  readonly weights: ScratchTensor;
}

/** Writes the table of an axis: for each place, its taps one after the other. */
function tableOf(
  io: LoopsIo,
  resizing: Resizing,
  axis: ResizedAxis,
): { readonly table: AxisTable; readonly statements: Stmt } {
  const taps = resizing.mode === "linear" ? 2 : 4;
  const type = io.inputs[0]!.type === "float64" ? "float64" : "float32";
  const table = {
    taps,
    places: io.scratch("int32", axis.output * taps),
    weights: io.scratch(type, axis.output * taps),
  };
  const statements = io.build.sequence(axis.output, (place) => {
    const found =
      resizing.mode === "linear"
        ? linearTaps(axis, resizing.coordinates, place)
        : cubicTaps(axis, resizing.coordinates, place, resizing.cubic, resizing.excludeOutside);
    return found.flatMap((tap, position) => {
      const offset = add(mul(place, index(taps)), index(position));
      return [table.places.store(offset, tap.place), table.weights.store(offset, cast(scalarTypeOf(type), tap.weight))];
    });
  });
  return { table, statements };
}

function interpolated(io: LoopsIo, resizing: Resizing, shape: Shape): Stmt[] {
  const crop = resizing.coordinates === "tf_crop_and_resize";
  const tables = resizing.axes.map((axis) => (isSame(axis, crop) ? undefined : tableOf(io, resizing, axis)));
  const main = io.build.eachIndex(shape, (place) => {
    const sum = (axis: number, source: readonly Expr[]): Expr => {
      if (axis === shape.length) return io.inputs[0]!.at(source);
      const made = tables[axis];
      if (!made) return sum(axis + 1, [...source, place[axis]!]);
      const { taps, places, weights } = made.table;
      const offset = (tap: number): Expr => add(mul(place[axis]!, index(taps)), index(tap));
      return Array.from({ length: taps }, (_, tap) =>
        mul(sum(axis + 1, [...source, places.load(offset(tap))]), weights.load(offset(tap))),
      ).reduce((total, one) => add(total, one));
    };
    return io.outputs[0]!.store(place, extrapolated(resizing, place, sum(0, [])));
  });
  return [...tables.flatMap((made) => (made ? [made.statements] : [])), ...main];
}

function definitionOf(operator: string, since: number): OperatorDefinition {
  return {
    operator,
    since,
    infer(context) {
      const { axes, mode } = resizingOf(context);
      const { type } = context.input(0);
      if (mode !== "nearest" && axes.filter((axis) => !isSame(axis, false)).length > 3) {
        context.reject("TENSOR_UNSUPPORTED_FORM", "more than three axes are interpolated");
      }
      return [{ type, shape: axes.map(({ output }) => output) }];
    },
    lower(context) {
      const resizing = resizingOf(context);
      const shape = resizing.axes.map(({ output }) => output);
      const crop = resizing.coordinates === "tf_crop_and_resize";
      if (resizing.mode !== "nearest") return { form: "loops", emit: (io) => interpolated(io, resizing, shape) };
      return {
        form: "map",
        elementwise: false,
        at: (place, inputs) => {
          const source = resizing.axes.map((axis, position) =>
            isSame(axis, crop)
              ? place[position]!
              : nearestPlace(axis, resizing.coordinates, resizing.nearest, place[position]!),
          );
          return extrapolated(resizing, place, inputs[0]!.at(source));
        },
      };
    },
  };
}

export const resize: readonly OperatorDefinition[] = [definitionOf("Upsample", 7), definitionOf("Resize", 10)];
