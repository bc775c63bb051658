/**
 * Scalar expressions: what one element is, as a pure tree over loop indices, loads and arithmetic.
 *
 * Every operator lowers to these (inside the loops of `kernel.ts`); the eager printer and the wasm code generator are
 * two independent readers of them. The tree may share nodes: a node object used twice is computed once. Constructors
 * fold constants and simplify index arithmetic, so affine indices come out as sums of products.
 *
 * Semantics both readers keep:
 *  - integers wrap; integer `div` truncates; integer `div` and `rem` by zero give 0; `rem` has the dividend's sign
 *    (for floats it is C's fmod); shift counts >= the width give 0 (or the sign for a signed `shr`)
 *  - `min` and `max` give NaN where either side is NaN; comparisons with NaN are false, `ne` is true
 *  - `nearest` rounds half to even; casts float -> int truncate and saturate (NaN gives 0); casts to bool are `!= 0`
 *  - a bool is 0 or 1; casts bool -> number give 0 or 1
 *  - a load's and a store's `offset` is in elements of its buffer and must lie inside it
 */
import { assert } from "../../base/index.ts";
import type { ScalarType } from "./element-type.ts";

export type UnaryFunction =
  | "neg"
  | "abs"
  | "not" // bool only
  | "bitnot"
  | "floor"
  | "ceil"
  | "trunc"
  | "nearest"
  | "sqrt"
  | "exp"
  | "log"
  | "sin"
  | "cos"
  | "tan"
  | "asin"
  | "acos"
  | "atan"
  | "sinh"
  | "cosh"
  | "tanh"
  | "asinh"
  | "acosh"
  | "atanh"
  | "erf"
  | "sigmoid"
  | "wrapInt8" // i32 -> i32 in -128..127
  | "wrapUint8"
  | "wrapInt16"
  | "wrapUint16"
  | "roundFloat16" // f32 -> the nearest float16, as f32
  | "roundBfloat16";

export type BinaryFunction =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "rem"
  | "pow"
  | "min"
  | "max"
  | "and" // integers and bool
  | "or"
  | "xor"
  | "shl"
  | "shr";

export type CompareFunction = "eq" | "ne" | "lt" | "le" | "gt" | "ge";

export interface ConstExpr {
  readonly op: "const";
  readonly type: ScalarType;
  /** bigint for i64 and u64, else number; bool is 0 or 1. */
  readonly value: number | bigint;
}
/** A loop index (i32), a `let`, a variable or an accumulator. Ids are unique within one unit. */
export interface VarExpr {
  readonly op: "var";
  readonly type: ScalarType;
  readonly id: number;
}
export interface LoadExpr {
  readonly op: "load";
  readonly type: ScalarType;
  /** Buffer id: see BufferDeclaration. */
  readonly buffer: number;
  readonly offset: Expr;
}
export interface UnaryExpr {
  readonly op: "unary";
  readonly type: ScalarType;
  readonly fn: UnaryFunction;
  readonly a: Expr;
}
export interface BinaryExpr {
  readonly op: "binary";
  readonly type: ScalarType;
  readonly fn: BinaryFunction;
  readonly a: Expr;
  readonly b: Expr;
}
export interface CompareExpr {
  readonly op: "compare";
  readonly type: "bool";
  readonly fn: CompareFunction;
  readonly a: Expr;
  readonly b: Expr;
}
/** Both arms may be computed: a load in an arm must be in bounds whatever the condition says (clamp its index). */
export interface SelectExpr {
  readonly op: "select";
  readonly type: ScalarType;
  readonly condition: Expr;
  readonly a: Expr;
  readonly b: Expr;
}
export interface CastExpr {
  readonly op: "cast";
  readonly type: ScalarType;
  readonly a: Expr;
}
/** The bits of an f32 as i32 or back, f64 as i64 or back. */
export interface BitcastExpr {
  readonly op: "bitcast";
  readonly type: ScalarType;
  readonly a: Expr;
}

export type Expr =
  | ConstExpr
  | VarExpr
  | LoadExpr
  | UnaryExpr
  | BinaryExpr
  | CompareExpr
  | SelectExpr
  | CastExpr
  | BitcastExpr;

export function constant(type: ScalarType, value: number | bigint | boolean): ConstExpr {
  if (type === "i64") return { op: "const", type, value: BigInt.asIntN(64, toBigInt(value)) };
  if (type === "u64") return { op: "const", type, value: BigInt.asUintN(64, toBigInt(value)) };
  const number = Number(value);
  if (type === "f32") return { op: "const", type, value: Math.fround(number) };
  if (type === "f64") return { op: "const", type, value: number };
  if (type === "bool") return { op: "const", type, value: number === 0 ? 0 : 1 };
  return { op: "const", type, value: type === "u32" ? Math.trunc(number) >>> 0 : Math.trunc(number) | 0 };
}

function toBigInt(value: number | bigint | boolean): bigint {
  return typeof value === "bigint" ? value : BigInt(Math.trunc(Number(value)));
}

/** An i32 constant, for indices. */
export function index(value: number): ConstExpr {
  return constant("i32", value);
}

export function load(type: ScalarType, buffer: number, offset: Expr): LoadExpr {
  assert(offset.type === "i32", "a load's offset is i32");
  return { op: "load", type, buffer, offset };
}

export function unary(fn: UnaryFunction, a: Expr): Expr {
  return { op: "unary", type: a.type, fn, a };
}

export function binary(fn: BinaryFunction, a: Expr, b: Expr): Expr {
  assert(a.type === b.type, `${fn} of ${a.type} and ${b.type}`);
  if (a.type === "i32") return simplifyIndex(fn, a, b);
  return { op: "binary", type: a.type, fn, a, b };
}

export function compare(fn: CompareFunction, a: Expr, b: Expr): Expr {
  assert(a.type === b.type, `${fn} of ${a.type} and ${b.type}`);
  if (a.op === "const" && b.op === "const") return constant("bool", compareConstants(fn, a.value, b.value));
  return { op: "compare", type: "bool", fn, a, b };
}

export function select(condition: Expr, a: Expr, b: Expr): Expr {
  assert(condition.type === "bool" && a.type === b.type, `select of ${condition.type}, ${a.type}, ${b.type}`);
  if (condition.op === "const") return condition.value === 0 ? b : a;
  return { op: "select", type: a.type, condition, a, b };
}

export function cast(type: ScalarType, a: Expr): Expr {
  if (a.type === type) return a;
  if (a.op === "const" && type === "i32" && (a.type === "i64" || a.type === "bool")) {
    return constant("i32", BigInt.asIntN(32, BigInt(a.value)));
  }
  return { op: "cast", type, a };
}

export function bitcast(type: ScalarType, a: Expr): Expr {
  return { op: "bitcast", type, a };
}

export const add = (a: Expr, b: Expr): Expr => binary("add", a, b);
export const sub = (a: Expr, b: Expr): Expr => binary("sub", a, b);
export const mul = (a: Expr, b: Expr): Expr => binary("mul", a, b);
export const div = (a: Expr, b: Expr): Expr => binary("div", a, b);
export const rem = (a: Expr, b: Expr): Expr => binary("rem", a, b);
export const min = (a: Expr, b: Expr): Expr => binary("min", a, b);
export const max = (a: Expr, b: Expr): Expr => binary("max", a, b);
export const and = (a: Expr, b: Expr): Expr => binary("and", a, b);
export const or = (a: Expr, b: Expr): Expr => binary("or", a, b);

/** `low <= a && a < high`, as one bool. */
export function within(a: Expr, low: Expr, high: Expr): Expr {
  return and(compare("ge", a, low), compare("lt", a, high));
}

function compareConstants(fn: CompareFunction, a: number | bigint, b: number | bigint): boolean {
  switch (fn) {
    case "eq":
      return a === b;
    case "ne":
      return a !== b;
    case "lt":
      return a < b;
    case "le":
      return a <= b;
    case "gt":
      return a > b;
    case "ge":
      return a >= b;
  }
}

function isConst(a: Expr, value: number): boolean {
  return a.op === "const" && a.value === value;
}

/** i32 arithmetic with constants folded and moved to the right, so that affine indices keep one shape. */
function simplifyIndex(fn: BinaryFunction, a: Expr, b: Expr): Expr {
  if (a.op === "const" && b.op === "const") {
    const folded = foldIndex(fn, a.value as number, b.value as number);
    if (folded !== undefined) return index(folded);
  }
  const node = (x: Expr, y: Expr): Expr => ({ op: "binary", type: "i32", fn, a: x, b: y });
  switch (fn) {
    case "add":
      if (isConst(a, 0)) return b;
      if (isConst(b, 0)) return a;
      if (a.op === "const") return simplifyIndex("add", b, a);
      if (b.op === "const" && a.op === "binary" && a.fn === "add" && a.b.op === "const") {
        return simplifyIndex("add", a.a, index((a.b.value as number) + (b.value as number)));
      }
      return node(a, b);
    case "sub":
      if (isConst(b, 0)) return a;
      if (b.op === "const") return simplifyIndex("add", a, index(-(b.value as number)));
      return node(a, b);
    case "mul":
      if (isConst(a, 0) || isConst(b, 0)) return index(0);
      if (isConst(a, 1)) return b;
      if (isConst(b, 1)) return a;
      if (a.op === "const") return simplifyIndex("mul", b, a);
      if (b.op === "const" && a.op === "binary" && a.fn === "mul" && a.b.op === "const") {
        return simplifyIndex("mul", a.a, index(Math.imul(a.b.value as number, b.value as number)));
      }
      return node(a, b);
    case "div":
      return isConst(b, 1) ? a : node(a, b);
    case "rem":
      return isConst(b, 1) ? index(0) : node(a, b);
    default:
      return node(a, b);
  }
}

function foldIndex(fn: BinaryFunction, a: number, b: number): number | undefined {
  switch (fn) {
    case "add":
      return (a + b) | 0;
    case "sub":
      return (a - b) | 0;
    case "mul":
      return Math.imul(a, b);
    case "div":
      return b === 0 ? 0 : (a / b) | 0;
    case "rem":
      return b === 0 ? 0 : (a % b) | 0;
    case "min":
      return Math.min(a, b);
    case "max":
      return Math.max(a, b);
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    default:
      return undefined;
  }
}
