/**
 * The shared functions of a module, by symbol: elementary functions, conversions of half floats, and the integer
 * operations whose wasm instruction would trap or wrap otherwise.
 */
import { assert } from "../../base/index.ts";
import { add, compare, constant, div, type Expr, mul, select, sub, unary, type VarExpr } from "../ir/expression.ts";
import { FunctionBuilder, type WasmFunction } from "../wasm/function-builder.ts";
import { integerFunction } from "./integer-functions.ts";
import { KernelEmitter } from "./kernel-emitter.ts";
import * as math from "./math-expressions.ts";
import type { RequireFunction } from "./scalar-operations.ts";

const x64: VarExpr = { op: "var", type: "f64", id: 1 };
const x32: VarExpr = { op: "var", type: "f32", id: 1 };
const number = (value: number): Expr => constant("f64", value);

const direct = { exp: math.exp, log: math.log, tanh: math.tanh, sigmoid: math.sigmoid, erf: math.erf } as const;

/** f64 functions as expressions of x64; `unary` of another function here becomes a call. */
const doubles: Readonly<Record<string, () => Expr>> = {
  sin: () => math.sine64(x64, 0),
  cos: () => math.sine64(x64, 1),
  tan: () => div(unary("sin", x64), unary("cos", x64)),
  atan: () => math.atan64(x64),
  asin: () => math.asin64(x64, (y) => unary("atan", y)),
  acos: () => math.acos64(x64, (y) => unary("atan", y)),
  sinh: () => {
    const e = unary("exp", unary("abs", x64));
    const far = mul(number(0.5), sub(e, div(number(1), e)));
    const signed = select(compare("lt", x64, number(0)), unary("neg", far), far);
    return math.nearZero(x64, 0.01, [1, 1 / 6, 1 / 120, 1 / 5040], signed);
  },
  cosh: () => {
    const e = unary("exp", unary("abs", x64));
    return mul(number(0.5), add(e, div(number(1), e)));
  },
  asinh: () => {
    const a = unary("abs", x64);
    const far = unary("log", add(a, unary("sqrt", add(mul(a, a), number(1)))));
    const signed = select(compare("lt", x64, number(0)), unary("neg", far), far);
    return math.nearZero(x64, 0.01, [1, -1 / 6, 3 / 40, -15 / 336], signed);
  },
  acosh: () => unary("log", add(x64, unary("sqrt", mul(sub(x64, number(1)), add(x64, number(1)))))),
  atanh: () => {
    const far = mul(number(0.5), unary("log", div(add(number(1), x64), sub(number(1), x64))));
    return math.nearZero(x64, 0.01, [1, 1 / 3, 1 / 5, 1 / 7], far);
  },
};

/** Makes the function of a symbol; `needs` is told which others it calls. */
export function sharedFunction(symbol: string, relaxed: boolean, needs: RequireFunction): WasmFunction {
  const [name, type] = symbol.split(".") as [string, string];
  if (type === "f32x4" || ((type === "f32" || type === "f64") && name in direct))
    return directFunction(symbol, relaxed, needs);
  if (type === "f64" && name in doubles) return doubleFunction(symbol, doubles[name]!(), relaxed, needs);
  if (type === "f32" && name in doubles) return throughDouble(symbol, `${name}.f64`, 1, needs);
  if (name === "pow" || name === "rem") {
    if (type === "f32") return throughDouble(symbol, `${name}.f64`, 2, needs);
    if (type === "f64") return name === "pow" ? power(needs) : floatRemainder();
  }
  if (name === "fromHalf") return fromHalf();
  if (name === "toHalf") return toHalf();
  if (name === "toBrain") return toBrain();
  if (name === "roundFloat16") return composed(symbol, ["toHalf.f32", "fromHalf.f32"], needs);
  if (name === "roundBfloat16") return roundBrain(needs);
  const integer = integerFunction(name, type);
  assert(integer !== undefined, `there is no shared function ${symbol}`);
  return integer;
}

function directFunction(symbol: string, relaxed: boolean, needs: RequireFunction): WasmFunction {
  const [name, form] = symbol.split(".") as [keyof typeof direct, "f32" | "f64" | "f32x4"];
  const type = form === "f64" ? "f64" : "f32";
  const expression = direct[name](type, type === "f64" ? x64 : x32);
  const value = form === "f32x4" ? "v128" : form;
  const builder = new FunctionBuilder(symbol, [value], [value]);
  const emitter = new KernelEmitter({ builder, pointers: [], elements: [], relaxed, require: needs });
  const [parameter] = builder.params;
  if (form === "f32x4") emitter.emitLanes(expression, 1, parameter!);
  else {
    emitter.bindLocal(1, parameter!);
    emitter.emit(emitter.interner.node(expression));
  }
  return builder.finish();
}

function doubleFunction(symbol: string, expression: Expr, relaxed: boolean, needs: RequireFunction): WasmFunction {
  const builder = new FunctionBuilder(symbol, ["f64"], ["f64"]);
  const emitter = new KernelEmitter({ builder, pointers: [], elements: [], relaxed, require: needs });
  emitter.bindLocal(1, builder.params[0]!);
  emitter.emit(emitter.interner.node(expression));
  return builder.finish();
}

function throughDouble(symbol: string, callee: string, arity: number, needs: RequireFunction): WasmFunction {
  const builder = new FunctionBuilder(symbol, new Array<"f32">(arity).fill("f32"), ["f32"]);
  for (const parameter of builder.params) builder.get(parameter).op("f64.promote_f32");
  return builder.call(needs(callee)).op("f32.demote_f64").finish();
}

function composed(symbol: string, callees: readonly string[], needs: RequireFunction): WasmFunction {
  const builder = new FunctionBuilder(symbol, ["f32"], ["f32"]);
  builder.get(builder.params[0]!);
  for (const callee of callees) builder.call(needs(callee));
  return builder.finish();
}

function roundBrain(needs: RequireFunction): WasmFunction {
  const builder = new FunctionBuilder("roundBfloat16.f32", ["f32"], ["f32"]);
  builder.get(builder.params[0]!).call(needs("toBrain.f32")).i32(16).op("i32.shl").op("f32.reinterpret_i32");
  return builder.finish();
}

/** pow as in ECMAScript, but 1 to any power is 1: exp(y·log|x|), then sign and special cases. */
function power(needs: RequireFunction): WasmFunction {
  const b = new FunctionBuilder("pow.f64", ["f64", "f64"], ["f64"]);
  const [x, y] = b.params as [(typeof b.params)[0], (typeof b.params)[0]];
  const result = b.local("f64");
  // y = 0, or |x| = 1 with an infinite y, or x = 1: 1.
  b.get(y).f64(0).op("f64.eq").get(x).f64(1).op("f64.eq").op("i32.or");
  b.get(x)
    .f64(-1)
    .op("f64.eq")
    .get(y)
    .op("f64.abs")
    .f64(Number.POSITIVE_INFINITY)
    .op("f64.eq")
    .op("i32.and")
    .op("i32.or");
  b.if(() => b.f64(1).op("return"));
  b.get(x).op("f64.abs").call(needs("log.f64")).get(y).op("f64.mul").call(needs("exp.f64")).set(result);
  // A small whole power is multiplied out, so that squares and cubes come out exact.
  const whole = b.local("i32");
  const base = b.local("f64");
  b.get(y).op("f64.floor").get(y).op("f64.eq").get(y).op("f64.abs").f64(64).op("f64.le").op("i32.and");
  b.if(() => {
    b.get(y).op("f64.abs").op("i32.trunc_sat_f64_s").set(whole).get(x).set(base).f64(1).set(result);
    b.block((end) => {
      b.loop((head) => {
        b.get(whole).op("i32.eqz").branchIf(end);
        b.get(whole)
          .i32(1)
          .op("i32.and")
          .if(() => b.get(result).get(base).op("f64.mul").set(result));
        b.get(base).get(base).op("f64.mul").set(base).get(whole).i32(1).op("i32.shr_u").set(whole).branch(head);
      });
    });
    b.get(y)
      .f64(0)
      .op("f64.lt")
      .if(() => b.f64(1).get(result).op("f64.div").set(result));
    b.get(result).op("return");
  });
  // x < 0 (or -0): an odd whole power is negative, a whole one positive, any other undefined.
  const odd = b.local("i32");
  const isWhole = b.local("i32");
  b.get(y).op("f64.floor").get(y).op("f64.eq").set(isWhole);
  b.get(y)
    .f64(0.5)
    .op("f64.mul")
    .op("f64.floor")
    .f64(2)
    .op("f64.mul")
    .get(y)
    .op("f64.ne")
    .get(isWhole)
    .op("i32.and")
    .set(odd);
  b.f64(1).get(x).op("f64.copysign").f64(0).op("f64.lt");
  b.if(() => {
    b.get(odd).if(() => b.get(result).op("f64.neg").set(result));
    b.get(isWhole)
      .op("i32.eqz")
      .get(x)
      .f64(0)
      .op("f64.ne")
      .op("i32.and")
      .get(x)
      .f64(Number.NEGATIVE_INFINITY)
      .op("f64.ne")
      .op("i32.and");
    b.if(() => b.f64(Number.NaN).set(result));
  });
  b.get(x).get(x).op("f64.ne").get(y).get(y).op("f64.ne").op("i32.or");
  b.if(() => b.f64(Number.NaN).set(result));
  return b.get(result).finish();
}

/** C's fmod: exact, by shift and subtract. */
function floatRemainder(): WasmFunction {
  const b = new FunctionBuilder("rem.f64", ["f64", "f64"], ["f64"]);
  const [x, y] = b.params as [(typeof b.params)[0], (typeof b.params)[0]];
  const rest = b.local("f64");
  const step = b.local("f64");
  b.get(y).op("f64.abs").set(y);
  b.get(x)
    .op("f64.abs")
    .f64(Number.POSITIVE_INFINITY)
    .op("f64.lt")
    .op("i32.eqz")
    .get(y)
    .f64(0)
    .op("f64.gt")
    .op("i32.eqz")
    .op("i32.or");
  b.if(() => b.f64(Number.NaN).op("return"));
  b.get(x).op("f64.abs").set(rest);
  b.block((end) => {
    b.loop((outer) => {
      b.get(rest).get(y).op("f64.lt").branchIf(end);
      b.get(y).set(step);
      b.block((found) => {
        b.loop((inner) => {
          b.get(step).get(step).op("f64.add").get(rest).op("f64.gt").branchIf(found);
          b.get(step).get(step).op("f64.add").set(step).branch(inner);
        });
      });
      b.get(rest).get(step).op("f64.sub").set(rest).branch(outer);
    });
  });
  return b.get(rest).get(x).op("f64.copysign").finish();
}

/** The f32 of float16 bits, by way of f64 arithmetic on exponent and fraction. */
function fromHalf(): WasmFunction {
  const b = new FunctionBuilder("fromHalf.f32", ["i32"], ["f32"]);
  const [h] = b.params as [(typeof b.params)[0]];
  const magnitude = b.local("i32");
  b.get(h).i32(0x7fff).op("i32.and").i32(13).op("i32.shl").set(magnitude);
  // As an f32 the exponent is 112 too small: 2^112 mends normal and subnormal numbers alike.
  b.get(magnitude)
    .op("f32.reinterpret_i32")
    .f32(2 ** 112)
    .op("f32.mul");
  b.get(magnitude).i32(0x7f800000).op("i32.or").op("f32.reinterpret_i32");
  b.get(magnitude)
    .i32(((0x1f << 23) >>> 0) | 0)
    .op("i32.lt_u")
    .op("select");
  b.op("i32.reinterpret_f32")
    .get(h)
    .i32(0x8000)
    .op("i32.and")
    .i32(16)
    .op("i32.shl")
    .op("i32.or")
    .op("f32.reinterpret_i32");
  return b.finish();
}

/** float16 bits of an f32, rounded half to even. */
function toHalf(): WasmFunction {
  const b = new FunctionBuilder("toHalf.f32", ["f32"], ["i32"]);
  const [x] = b.params as [(typeof b.params)[0]];
  const bits = b.local("i32");
  const sign = b.local("i32");
  b.get(x).op("i32.reinterpret_f32").i32(16).op("i32.shr_u").i32(0x8000).op("i32.and").set(sign);
  b.get(x).op("f32.abs").op("i32.reinterpret_f32").set(bits);
  b.get(bits)
    .i32(0x7f800000)
    .op("i32.gt_u")
    .if(() => b.get(sign).i32(0x7e00).op("i32.or").op("return"));
  b.get(bits)
    .i32(0x477ff000)
    .op("i32.ge_u")
    .if(() => b.get(sign).i32(0x7c00).op("i32.or").op("return"));
  b.get(bits).i32(0x38800000).op("i32.lt_u");
  b.if(() => {
    // Subnormal: adding 0.5 leaves the rounded fraction in the low bits.
    b.get(sign)
      .get(bits)
      .op("f32.reinterpret_i32")
      .f32(0.5)
      .op("f32.add")
      .op("i32.reinterpret_f32")
      .i32(0x3f000000)
      .op("i32.sub");
    b.op("i32.or").op("return");
  });
  b.get(sign).get(bits).i32(0x38000000).op("i32.sub").i32(0xfff).op("i32.add");
  b.get(bits).i32(13).op("i32.shr_u").i32(1).op("i32.and").op("i32.add").i32(13).op("i32.shr_u").op("i32.or");
  return b.finish();
}

function toBrain(): WasmFunction {
  const b = new FunctionBuilder("toBrain.f32", ["f32"], ["i32"]);
  const [x] = b.params as [(typeof b.params)[0]];
  const bits = b.local("i32");
  b.get(x)
    .get(x)
    .op("f32.ne")
    .if(() => b.i32(0x7fc0).op("return"));
  b.get(x).op("i32.reinterpret_f32").tee(bits).i32(0x7fff).op("i32.add");
  b.get(bits).i32(16).op("i32.shr_u").i32(1).op("i32.and").op("i32.add").i32(16).op("i32.shr_u");
  return b.finish();
}
