/**
 * Where along one axis a resized element comes from: coordinates, the neighbours used, and their weights.
 *
 * Coordinates are computed in double precision, as the reference does, by the same expressions for every mode. A
 * nearest neighbour that a whole-number formula gives exactly (checked for every place) is computed by that instead.
 */
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
  select,
  sub,
  unary,
} from "../ir/expression.ts";

export interface ResizedAxis {
  readonly input: number;
  readonly output: number;
  readonly scale: number;
  /** Part of the input that is shown, for tf_crop_and_resize. */
  readonly start: number;
  readonly end: number;
}

export const coordinateModes = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_half_pixel_for_nn",
  "tf_crop_and_resize",
] as const;
export type CoordinateMode = (typeof coordinateModes)[number];

export const nearestModes = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"] as const;
export type NearestMode = (typeof nearestModes)[number];

/** The coordinate as (place + shift) * factor / divisor + offset, every step in double precision. */
interface Line {
  readonly shift: number;
  readonly factor: number;
  readonly divisor: number;
  readonly offset: number;
}

function lineOf(axis: ResizedAxis, mode: CoordinateMode): Line {
  const { input, output, scale, start, end } = axis;
  // The exact product, not the whole number of elements: what the test vectors follow.
  const length = scale * input;
  switch (mode) {
    case "half_pixel":
      return { shift: 0.5, factor: 1, divisor: scale, offset: -0.5 };
    case "half_pixel_symmetric":
      return { shift: 0.5, factor: 1, divisor: scale, offset: (input / 2) * (1 - output / length) - 0.5 };
    case "pytorch_half_pixel":
      return output === 1
        ? { shift: 0, factor: 0, divisor: 1, offset: 0 }
        : { shift: 0.5, factor: 1, divisor: scale, offset: -0.5 };
    case "align_corners":
      return output === 1 || length === 1
        ? { shift: 0, factor: 0, divisor: 1, offset: 0 }
        : { shift: 0, factor: input - 1, divisor: length - 1, offset: 0 };
    case "asymmetric":
      return { shift: 0, factor: 1, divisor: scale, offset: 0 };
    case "tf_half_pixel_for_nn":
      return { shift: 0.5, factor: 1, divisor: scale, offset: 0 };
    case "tf_crop_and_resize":
      return output === 1
        ? { shift: 0, factor: 0, divisor: 1, offset: 0.5 * (start + end) * (input - 1) }
        : { shift: 0, factor: (end - start) * (input - 1), divisor: output - 1, offset: start * (input - 1) };
  }
}

const f64 = (value: number): Expr => constant("f64", value);

export function coordinate(axis: ResizedAxis, mode: CoordinateMode, place: Expr): Expr {
  const { shift, factor, divisor, offset } = lineOf(axis, mode);
  let value: Expr = cast("f64", place);
  if (shift !== 0) value = add(value, f64(shift));
  if (factor !== 1) value = mul(value, f64(factor));
  return add(div(value, f64(divisor)), f64(offset));
}

function coordinateNumber(axis: ResizedAxis, mode: CoordinateMode, place: number): number {
  const { shift, factor, divisor, offset } = lineOf(axis, mode);
  return ((place + shift) * factor) / divisor + offset;
}

/** Whether the coordinate lies in the input: only cropping asks. */
export function insideCrop(axis: ResizedAxis, place: Expr): Expr {
  const x = coordinate(axis, "tf_crop_and_resize", place);
  return and(compare("ge", x, f64(0)), compare("le", x, f64(axis.input - 1)));
}

const bounded = (place: Expr, axis: ResizedAxis): Expr => min(max(place, index(0)), index(axis.input - 1));

/** The input's place a nearest neighbour is at. */
export function nearestPlace(axis: ResizedAxis, coordinates: CoordinateMode, mode: NearestMode, place: Expr): Expr {
  const exact = wholeFormula(axis, coordinates, mode);
  if (exact) {
    const scaled = div(add(mul(place, index(exact.factor)), index(exact.shift)), index(exact.divisor));
    return exact.clamped ? min(scaled, index(axis.input - 1)) : scaled;
  }
  const x = coordinate(axis, coordinates, place);
  const rounded = {
    floor: () => unary("floor", x),
    ceil: () => unary("ceil", x),
    round_prefer_floor: () => unary("ceil", sub(x, f64(0.5))),
    round_prefer_ceil: () => unary("floor", add(x, f64(0.5))),
  }[mode]();
  return bounded(cast("i32", rounded), axis);
}

function nearestNumber(axis: ResizedAxis, coordinates: CoordinateMode, mode: NearestMode, place: number): number {
  const x = coordinateNumber(axis, coordinates, place);
  const rounded = {
    floor: Math.floor(x),
    ceil: Math.ceil(x),
    round_prefer_floor: Math.ceil(x - 0.5),
    round_prefer_ceil: Math.floor(x + 0.5),
  }[mode];
  return Math.min(Math.max(rounded, 0), axis.input - 1);
}

interface WholeFormula {
  readonly factor: number;
  readonly shift: number;
  readonly divisor: number;
  readonly clamped: boolean;
}

/** floor((place·factor + shift) / divisor) that is right for every place, for whole-number scales. */
function wholeFormula(axis: ResizedAxis, coordinates: CoordinateMode, mode: NearestMode): WholeFormula | undefined {
  const { input, output } = axis;
  const up = output % input === 0 ? output / input : undefined;
  const down = input % output === 0 ? input / output : undefined;
  const candidates: WholeFormula[] = [];
  if (up !== undefined && up <= 16)
    for (let shift = 0; shift < up; shift++) candidates.push({ factor: 1, shift, divisor: up, clamped: shift > 0 });
  if (down !== undefined && down <= 16)
    for (let shift = 0; shift < down; shift++) candidates.push({ factor: down, shift, divisor: 1, clamped: false });
  return candidates.find(({ factor, shift, divisor, clamped }) => {
    for (let place = 0; place < output; place++) {
      const found = Math.floor((place * factor + shift) / divisor);
      if ((clamped ? Math.min(found, input - 1) : found) !== nearestNumber(axis, coordinates, mode, place))
        return false;
    }
    return true;
  });
}

export interface Tap {
  readonly place: Expr;
  /** f64. */
  readonly weight: Expr;
}

export function linearTaps(axis: ResizedAxis, mode: CoordinateMode, place: Expr): Tap[] {
  const x = coordinate(axis, mode, place);
  const below = unary("floor", x);
  const ratio = sub(x, below);
  const first = cast("i32", below);
  return [
    { place: bounded(first, axis), weight: sub(f64(1), ratio) },
    { place: bounded(add(first, index(1)), axis), weight: ratio },
  ];
}

/** Keys' cubic convolution with coefficient `a`; outside taps may be left out and the others made to sum to one. */
export function cubicTaps(
  axis: ResizedAxis,
  mode: CoordinateMode,
  place: Expr,
  a: number,
  excludeOutside: boolean,
): Tap[] {
  const x = coordinate(axis, mode, place);
  const below = unary("floor", x);
  const ratio = sub(x, below);
  const first = cast("i32", below);
  const horner = (t: Expr, ...coefficients: number[]): Expr =>
    coefficients.slice(1).reduce<Expr>((sum, one) => add(mul(sum, t), f64(one)), f64(coefficients[0]!));
  const near = (t: Expr): Expr => horner(t, a + 2, -(a + 3), 0, 1);
  const far = (t: Expr): Expr => horner(t, a, -5 * a, 8 * a, -4 * a);
  const rest = sub(f64(1), ratio);
  const weights = [far(add(ratio, f64(1))), near(ratio), near(rest), far(add(rest, f64(1)))];
  const places = [-1, 0, 1, 2].map((step) => add(first, index(step)));
  if (!excludeOutside) return places.map((one, tap) => ({ place: bounded(one, axis), weight: weights[tap]! }));
  const counted = places.map((one, tap) => select(compare("eq", one, bounded(one, axis)), weights[tap]!, f64(0)));
  const total = counted.reduce((sum, one) => add(sum, one));
  return places.map((one, tap) => ({ place: bounded(one, axis), weight: div(counted[tap]!, total) }));
}
