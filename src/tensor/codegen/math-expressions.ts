/**
 * Elementary functions as expressions over arithmetic, bits and comparisons.
 *
 * Method: reduce the argument to a small interval, sum a series there, scale back. Series are Taylor's, long enough
 * for the interval; the fitted polynomials (erf in f32, minimax by reweighted least squares) say so. The f32
 * forms of exp, log, tanh, sigmoid and erf stay within 4 ULP; the rest of f32 goes through the f64 forms.
 */
import type { ScalarType } from "../ir/element-type.ts";
import {
  add,
  binary,
  bitcast,
  cast,
  compare,
  constant,
  div,
  type Expr,
  max,
  min,
  mul,
  or,
  select,
  sub,
  unary,
} from "../ir/expression.ts";

type Type = "f32" | "f64";
const number = (type: ScalarType, value: number): Expr => constant(type, value);
const lt = (a: Expr, b: Expr): Expr => compare("lt", a, b);
const ge = (a: Expr, b: Expr): Expr => compare("ge", a, b);

/** c0 + c1 x + c2 x² + … by Horner's scheme. */
function polynomial(type: Type, x: Expr, coefficients: readonly number[]): Expr {
  let sum = number(type, coefficients.at(-1)!);
  for (let k = coefficients.length - 2; k >= 0; k--) sum = add(mul(sum, x), number(type, coefficients[k]!));
  return sum;
}

function factorials(count: number): number[] {
  const list = [1];
  for (let n = 1; n < count; n++) list.push(list[n - 1]! * n);
  return list;
}

const ln2HighOf = { f32: 0.693145751953125, f64: 0.6931471803691238 } as const;
const ln2LowOf = { f32: 1.4286068203094172e-6, f64: 1.9082149292705877e-10 } as const;

/** 2^n for an integer n (as i32) within the exponents of normal numbers. */
function powerOfTwo(type: Type, n: Expr): Expr {
  if (type === "f32") return bitcast("f32", binary("shl", add(n, constant("i32", 127)), constant("i32", 23)));
  return bitcast("f64", binary("shl", cast("i64", add(n, constant("i32", 1023))), constant("i64", 52)));
}

export function exp(type: Type, x: Expr): Expr {
  const [low, high, terms] = type === "f32" ? [-104, 89, 8] : [-746, 710, 15];
  const clamped = min(max(x, number(type, low)), number(type, high));
  const n = unary("nearest", mul(clamped, number(type, Math.LOG2E)));
  const r = sub(sub(clamped, mul(n, number(type, ln2HighOf[type]))), mul(n, number(type, ln2LowOf[type])));
  const series = polynomial(
    type,
    r,
    factorials(terms).map((f) => 1 / f),
  );
  const whole = cast("i32", n);
  // Two factors, since 2^n alone may lie outside the normal numbers.
  const half = binary("shr", whole, constant("i32", 1));
  const scaled = mul(mul(series, powerOfTwo(type, half)), powerOfTwo(type, sub(whole, half)));
  const down = select(lt(x, number(type, low)), number(type, 0), scaled);
  return select(compare("gt", x, number(type, high)), number(type, Number.POSITIVE_INFINITY), down);
}

export function log(type: Type, x: Expr): Expr {
  const smallest = type === "f32" ? 2 ** -126 : 2 ** -1022;
  const lift = type === "f32" ? 23 : 52;
  const tiny = lt(x, number(type, smallest));
  const normal = select(tiny, mul(x, number(type, 2 ** lift)), x);
  const [bits, exponent, mantissa] = split(type, normal);
  // The mantissa lies in [1, 2); above the square root of 2 it is halved.
  const above = compare("gt", mantissa, number(type, Math.SQRT2));
  const m = select(above, mul(mantissa, number(type, 0.5)), mantissa);
  const lifted = select(tiny, sub(exponent, constant("i32", lift)), exponent);
  const e = cast(type, select(above, add(lifted, constant("i32", 1)), lifted));
  const f = sub(m, number(type, 1));
  const s = div(f, add(f, number(type, 2)));
  const z = mul(s, s);
  const terms = type === "f32" ? 5 : 13;
  const tail = polynomial(
    type,
    z,
    Array.from({ length: terms }, (_, k) => 2 / (2 * k + 3)),
  );
  // log m = f - s·(f - z·tail): keeps what f/(2+f) rounds away.
  const near = sub(f, mul(s, sub(f, mul(z, tail))));
  const sum = add(mul(e, number(type, ln2HighOf[type])), add(near, mul(e, number(type, ln2LowOf[type]))));
  const infinite = select(compare("eq", x, number(type, Number.POSITIVE_INFINITY)), x, sum);
  const negative = select(lt(x, number(type, 0)), number(type, Number.NaN), infinite);
  const zero = select(compare("eq", x, number(type, 0)), number(type, Number.NEGATIVE_INFINITY), negative);
  void bits;
  return select(compare("ne", x, x), x, zero);
}

/** Bits, exponent (i32) and mantissa in [1, 2) of a positive normal number. */
function split(type: Type, x: Expr): [Expr, Expr, Expr] {
  if (type === "f32") {
    const bits = bitcast("i32", x);
    const exponent = sub(binary("shr", bits, constant("i32", 23)), constant("i32", 127));
    const mantissa = bitcast("f32", or(binary("and", bits, constant("i32", 0x7fffff)), constant("i32", 0x3f800000)));
    return [bits, exponent, mantissa];
  }
  const bits = bitcast("i64", x);
  const exponent = sub(cast("i32", binary("shr", bits, constant("i64", 52))), constant("i32", 1023));
  const mantissa = bitcast(
    "f64",
    or(binary("and", bits, constant("i64", 0xfffffffffffffn)), constant("i64", 0x3ff0000000000000n)),
  );
  return [bits, exponent, mantissa];
}

export function sigmoid(type: Type, x: Expr): Expr {
  const e = exp(type, unary("neg", unary("abs", x)));
  const one = number(type, 1);
  const s = div(one, add(one, e));
  return select(lt(x, number(type, 0)), mul(e, s), s);
}

/** Taylor coefficients of tanh(x)/x in x². */
const tanhSeries = [
  1,
  -1 / 3,
  2 / 15,
  -17 / 315,
  62 / 2835,
  -1382 / 155925,
  21844 / 6081075,
  -929569 / 638512875,
  6404582 / 10854718875,
  -443861162 / 1856156927625,
];

export function tanh(type: Type, x: Expr): Expr {
  const a = unary("abs", x);
  const one = number(type, 1);
  // 1 - 2/(e^2a + 1), with a series where that would cancel.
  const e = exp(type, mul(a, number(type, 2)));
  const far = sub(one, div(number(type, 2), add(e, one)));
  const limit = type === "f32" ? 0.55 : 0.05;
  const near = mul(a, polynomial(type, mul(a, a), tanhSeries));
  const magnitude = select(lt(a, number(type, limit)), near, far);
  return copySign(type, magnitude, x);
}

/** `magnitude` (0 or more, or NaN) with the sign of `x`. */
function copySign(type: Type, magnitude: Expr, x: Expr): Expr {
  if (type === "f32") {
    const sign = binary("and", bitcast("i32", x), constant("i32", -2147483648));
    return bitcast("f32", or(bitcast("i32", magnitude), sign));
  }
  const sign = binary("and", bitcast("i64", x), constant("i64", -(2n ** 63n)));
  return bitcast("f64", or(bitcast("i64", magnitude), sign));
}

/**
 * erf(x)/x on [0, 1.2] in x², relative error 1.4e-8; and erfc(x)^(-1/8) on [1.2, 4] in x, error of erf 3.9e-8. The
 * eighth root is nearly a straight line, and an error of it counts for less the smaller erfc is.
 */
const erfNear = [1.1283791, -0.37612537, 0.112826854, -0.026820173, 0.0051312773, -0.0007562213, 6.527439e-5];
const erfcRoot = [1.0221114, 0.051656317, 0.24056275, -0.11261732, 0.074551344, -0.019006982, 0.0028767104];
const twoOverRootPi = 1.1283791670955126;

function erfSeries(terms: number): number[] {
  return factorials(terms).map((f, n) => ((n % 2 === 0 ? 1 : -1) * twoOverRootPi) / (f * (2 * n + 1)));
}

export function erf(type: Type, x: Expr): Expr {
  const a = unary("abs", x);
  const one = number(type, 1);
  if (type === "f32") {
    const near = mul(a, polynomial(type, mul(a, a), erfNear));
    let power = polynomial(type, min(a, number(type, 4)), erfcRoot);
    for (let squaring = 0; squaring < 3; squaring++) power = mul(power, power);
    return copySign(type, select(lt(a, number(type, 1.2)), near, sub(one, div(one, power))), x);
  }
  const near = mul(a, polynomial(type, mul(a, a), erfSeries(60)));
  const bounded = min(max(a, number(type, 2)), number(type, 27));
  let fraction: Expr = number(type, 0);
  for (let n = 40; n > 0; n--) fraction = div(number(type, n / 2), add(bounded, fraction));
  const tail = div(
    mul(exp(type, unary("neg", mul(bounded, bounded))), number(type, twoOverRootPi / 2)),
    add(bounded, fraction),
  );
  return copySign(type, select(lt(a, number(type, 2)), near, sub(one, tail)), x);
}

const halfPi = Math.PI / 2;
/** π/2 in three parts, so that k times the first two is exact for |k| < 2^20. */
const halfPiParts = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21] as const;

function sineSeries(r: Expr): Expr {
  const f = factorials(20);
  const coefficients = Array.from({ length: 9 }, (_, k) => (k % 2 === 0 ? 1 : -1) / f[2 * k + 1]!);
  return mul(r, polynomial("f64", mul(r, r), coefficients));
}

function cosineSeries(r: Expr): Expr {
  const f = factorials(20);
  const coefficients = Array.from({ length: 10 }, (_, k) => (k % 2 === 0 ? 1 : -1) / f[2 * k]!);
  return polynomial("f64", mul(r, r), coefficients);
}

/** Sine (`shift` 0) or cosine (`shift` 1). */
export function sine64(x: Expr, shift: number): Expr {
  const k = unary("nearest", mul(x, number("f64", 1 / halfPi)));
  let r: Expr = x;
  for (const part of halfPiParts) r = sub(r, mul(k, number("f64", part)));
  const quarter = binary("and", add(cast("i32", k), constant("i32", shift)), constant("i32", 3));
  const odd = compare("ne", binary("and", quarter, constant("i32", 1)), constant("i32", 0));
  const value = select(odd, cosineSeries(r), sineSeries(r));
  return select(ge(quarter, constant("i32", 2)), unary("neg", value), value);
}

export function atan64(x: Expr): Expr {
  const a = unary("abs", x);
  const one = number("f64", 1);
  const inverted = compare("gt", a, one);
  const y = select(inverted, div(one, a), a);
  // From [0, 1] to |t| <= tan(π/16) by two steps of the addition theorem.
  const [t1, base1] = lower(y, Math.tan(Math.PI / 8), Math.PI / 4, 1);
  const [t2, base2] = lower(t1, Math.tan(Math.PI / 16), Math.PI / 8, Math.tan(Math.PI / 8));
  const coefficients = Array.from({ length: 13 }, (_, k) => (k % 2 === 0 ? 1 : -1) / (2 * k + 1));
  const near = add(add(base1, base2), mul(t2, polynomial("f64", mul(t2, t2), coefficients)));
  return copySign("f64", select(inverted, sub(number("f64", halfPi), near), near), x);
}

/** Where t > limit: (t - tangent)/(1 + t·tangent) and the angle taken off; else t and 0. */
function lower(t: Expr, limit: number, angle: number, tangent: number): [Expr, Expr] {
  const big = compare("gt", t, number("f64", limit));
  const turned = div(sub(t, number("f64", tangent)), add(number("f64", 1), mul(t, number("f64", tangent))));
  return [select(big, turned, t), select(big, number("f64", angle), number("f64", 0))];
}

export function asin64(x: Expr, atan: (x: Expr) => Expr): Expr {
  const one = number("f64", 1);
  return atan(div(x, unary("sqrt", mul(sub(one, x), add(one, x)))));
}

export function acos64(x: Expr, atan: (x: Expr) => Expr): Expr {
  const one = number("f64", 1);
  return mul(number("f64", 2), atan(unary("sqrt", div(sub(one, x), add(one, x)))));
}

/** `series` where |x| is below `limit`, else `far`. */
export function nearZero(x: Expr, limit: number, series: readonly number[], far: Expr): Expr {
  const near = mul(x, polynomial("f64", mul(x, x), series));
  return select(lt(unary("abs", x), number("f64", limit)), near, far);
}
