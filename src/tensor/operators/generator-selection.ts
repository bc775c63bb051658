/**
 * Operators whose output's shape depends on the elements themselves: NonZero and Unique. Shapes are static here, so
 * they are computed where their input is a constant, and rejected as TENSOR_DYNAMIC where it is not.
 */
import { denseConstant, elementsOf } from "../graph/constant.ts";
import type { ConstantData } from "../graph/graph.ts";
import { elementCount, newArray, stridesOf } from "../ir/element-type.ts";
import type { OperatorContext } from "./context.ts";
import type { InferredOutput, OperatorDefinition } from "./definition.ts";
import { neverLowered } from "./shape.ts";

function contents(context: OperatorContext): ConstantData {
  const { constant, type } = context.input(0);
  if (!constant) {
    context.reject("TENSOR_DYNAMIC", "the output's shape depends on elements that are only known when running");
  }
  if (type === "float16" || type === "bfloat16") context.reject("TENSOR_UNSUPPORTED_TYPE", `the input is ${type}`);
  return constant;
}

function output(constant: ConstantData): InferredOutput {
  return { type: constant.type, shape: constant.shape, constant };
}

function counts(numbers: readonly number[], shape: readonly number[] = [numbers.length]): InferredOutput {
  return output(denseConstant("int64", shape, numbers.map(BigInt)));
}

const nonZero: OperatorDefinition = {
  operator: "NonZero",
  since: 9,
  infer(context) {
    const data = contents(context);
    const strides = stridesOf(data.shape);
    const places = [...elementsOf(data)].flatMap((element, place) => (Number(element) !== 0 ? [place] : []));
    const rows = data.shape.flatMap((extent, axis) =>
      places.map((place) => Math.floor(place / strides[axis]!) % extent),
    );
    return [counts(rows, [data.shape.length, places.length])];
  },
  lower: neverLowered,
};

type Slice = readonly (number | bigint)[];

/** Orders slices by their elements; NaN comes last. */
function compareSlices(a: Slice, b: Slice): number {
  for (let place = 0; place < a.length; place++) {
    const [x, y] = [a[place]!, b[place]!];
    if (x === y) continue;
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) ? (Number.isNaN(y) ? 0 : 1) : -1;
    return x < y ? -1 : 1;
  }
  return 0;
}

/** The slices along an axis, or the single elements. */
function slicesOf(data: ConstantData, axis: number | undefined): Slice[] {
  const elements = [...elementsOf(data)];
  if (axis === undefined) return elements.map((element) => [element]);
  const inner = stridesOf(data.shape)[axis]!;
  const extent = data.shape[axis]!;
  const slices: (number | bigint)[][] = Array.from({ length: extent }, () => []);
  for (const [place, element] of elements.entries()) slices[Math.floor(place / inner) % extent]!.push(element);
  return slices;
}

const unique: OperatorDefinition = {
  operator: "Unique",
  since: 11,
  infer(context) {
    const data = contents(context);
    const axis = context.has("axis") ? context.axis(context.int("axis"), data.shape.length) : undefined;
    const slices = slicesOf(data, axis);
    const kept: { readonly slice: Slice; readonly first: number; count: number }[] = [];
    const byKey = new Map<string, number>();
    const keptOf = slices.map((slice, place) => {
      const key = slice.map(String).join();
      const known = byKey.get(key);
      if (known === undefined) byKey.set(key, kept.length);
      const found = known ?? kept.push({ slice, first: place, count: 0 }) - 1;
      kept[found]!.count++;
      return found;
    });
    const order = [...kept.keys()];
    if (context.int("sorted", 1) !== 0) order.sort((a, b) => compareSlices(kept[a]!.slice, kept[b]!.slice));
    const rank = new Map(order.map((one, place) => [one, place]));
    return [
      output(
        joined(
          data,
          axis,
          order.map((one) => kept[one]!.slice),
        ),
      ),
      counts(order.map((one) => kept[one]!.first)),
      counts(keptOf.map((one) => rank.get(one)!)),
      counts(order.map((one) => kept[one]!.count)),
    ];
  },
  lower: neverLowered,
};

/** The inverse of slicesOf. */
function joined(data: ConstantData, axis: number | undefined, slices: readonly Slice[]): ConstantData {
  if (axis === undefined) return denseConstant(data.type, [slices.length], slices.flat());
  const shape = data.shape.with(axis, slices.length);
  const inner = stridesOf(shape)[axis]!;
  const result = newArray(data.type, elementCount(shape)) as { [place: number]: number | bigint } & ArrayLike<
    number | bigint
  >;
  const next = new Array<number>(slices.length).fill(0);
  for (let place = 0; place < result.length; place++) {
    const slice = Math.floor(place / inner) % slices.length;
    result[place] = slices[slice]![next[slice]!++]!;
  }
  return denseConstant(data.type, shape, result);
}

export const selectionOperators: readonly OperatorDefinition[] = [nonZero, unique];
