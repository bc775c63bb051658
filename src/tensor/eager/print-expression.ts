/**
 * Scalar expressions as JavaScript text, operation by operation, after the rules in the header of ir/expression.ts.
 *
 * Representation: f32 and f64 are numbers (an f32 is always already rounded), i32 and u32 are numbers in their range,
 * i64 and u64 are bigints in theirs, a bool is a boolean. Every text returned may stand as an operand.
 */
import { AssertionFailure, assert } from "../../base/index.ts";
import type { ElementType, ScalarType } from "../ir/element-type.ts";
import type { BinaryFunction, CompareFunction, ConstExpr, LoadExpr, UnaryFunction } from "../ir/expression.ts";

export function constantText({ type, value }: ConstExpr): string {
  if (type === "bool") return value === 0 ? "false" : "true";
  if (typeof value === "bigint") return value < 0n ? `(${value}n)` : `${value}n`;
  if (Object.is(value, -0)) return "(-0)";
  return value < 0 ? `(${value})` : String(value);
}

/** What a variable holds before it is first assigned: of the right kind, so that engines guess its type well. */
export function zeroText(type: ScalarType): string {
  if (type === "bool") return "false";
  return type === "i64" || type === "u64" ? "0n" : "0";
}

export function loadText(type: ElementType, { buffer }: LoadExpr, offset: string): string {
  const element = `b${buffer}[${offset}]`;
  if (type === "float16") return `$fromHalf(${element})`;
  if (type === "bfloat16") return `$fromBrain(${element})`;
  return type === "bool" ? `(${element} !== 0)` : element;
}

/** What is written to an element of a buffer; typed arrays wrap narrow integers by themselves. */
export function storedText(type: ElementType, value: string): string {
  if (type === "float16") return `$toHalf(${value})`;
  if (type === "bfloat16") return `$toBrain(${value})`;
  return type === "bool" ? `(${value} ? 1 : 0)` : value;
}

const mathFunctions: ReadonlySet<UnaryFunction> = new Set([
  "floor",
  "ceil",
  "trunc",
  "sqrt",
  "exp",
  "log",
  "sin",
  "cos",
  "tan",
  "asin",
  "acos",
  "atan",
  "sinh",
  "cosh",
  "tanh",
  "asinh",
  "acosh",
  "atanh",
] as const);

export function unaryText(fn: UnaryFunction, type: ScalarType, a: string): string {
  switch (fn) {
    case "not":
      return `(!${a})`;
    case "bitnot":
      return wrapped(type, `~${a}`);
    case "neg":
      return type === "f32" || type === "f64" ? `(-${a})` : wrapped(type, `-${a}`);
    case "abs":
      if (type === "f32" || type === "f64" || type === "u32") return `Math.abs(${a})`;
      return type === "i32" ? `(Math.abs(${a}) | 0)` : wrapped(type, `(${a} < 0n ? -${a} : ${a})`);
    case "wrapInt8":
      return `(${a} << 24 >> 24)`;
    case "wrapInt16":
      return `(${a} << 16 >> 16)`;
    case "wrapUint8":
      return `(${a} & 255)`;
    case "wrapUint16":
      return `(${a} & 65535)`;
    case "roundFloat16":
      return `$fromHalf($toHalf(${a}))`;
    case "roundBfloat16":
      return `$fromBrain($toBrain(${a}))`;
    case "nearest":
      return `$nearest(${a})`;
    case "erf":
      return rounded(type, `$erf(${a})`);
    case "sigmoid":
      return rounded(type, `(1 / (1 + Math.exp(-${a})))`);
    default:
      if (!mathFunctions.has(fn)) throw new AssertionFailure(`no text for ${fn}`);
      return rounded(type, `Math.${fn}(${a})`);
  }
}

function rounded(type: ScalarType, text: string): string {
  return type === "f32" ? `$fround(${text})` : text;
}

/** Brings the text of an exact integer (or exactly representable) result into the type's range. */
function wrapped(type: ScalarType, text: string): string {
  switch (type) {
    case "i32":
      return `(${text} | 0)`;
    case "u32":
      return `(${text} >>> 0)`;
    case "i64":
      return `BigInt.asIntN(64, ${text})`;
    case "u64":
      return `BigInt.asUintN(64, ${text})`;
    case "f32":
      return `$fround(${text})`;
    default:
      return `(${text})`;
  }
}

const operators: Readonly<Partial<Record<BinaryFunction, string>>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  rem: "%",
};
const bitOperators: Readonly<Partial<Record<BinaryFunction, string>>> = {
  and: "&",
  or: "|",
  xor: "^",
};
const boolOperators: Readonly<Partial<Record<BinaryFunction, string>>> = {
  and: "&&",
  or: "||",
  xor: "!==",
  min: "&&",
  max: "||",
};

export function binaryText(fn: BinaryFunction, type: ScalarType, a: string, b: string): string {
  if (type === "bool") {
    const operator = boolOperators[fn];
    assert(operator, `${fn} of bools`);
    return `(${a} ${operator} ${b})`;
  }
  const big = type === "i64" || type === "u64";
  switch (fn) {
    case "add":
    case "sub":
      return wrapped(type, `${a} ${operators[fn]} ${b}`);
    case "mul":
      if (type === "i32") return `Math.imul(${a}, ${b})`;
      return type === "u32" ? `(Math.imul(${a}, ${b}) >>> 0)` : wrapped(type, `${a} * ${b}`);
    case "div":
    case "rem":
      // For 32 bits the quotient of a double division is exact enough, and infinity and NaN become 0.
      if (big) return `$${fn}${type === "i64" ? "64" : "U64"}(${a}, ${b})`;
      return wrapped(type, `${a} ${operators[fn]} ${b}`);
    case "min":
    case "max":
      return big ? `(${a} ${fn === "min" ? "<" : ">"} ${b} ? ${a} : ${b})` : `Math.${fn}(${a}, ${b})`;
    case "pow":
      if (big) return `$powBig(${a}, ${b}, BigInt.${type === "i64" ? "asIntN" : "asUintN"})`;
      if (type === "i32" || type === "u32") return `$pow${type === "i32" ? "I32" : "U32"}(${a}, ${b})`;
      return rounded(type, `$pow(${a}, ${b})`);
    case "and":
    case "or":
    case "xor":
      return type === "u32" ? `((${a} ${bitOperators[fn]} ${b}) >>> 0)` : `(${a} ${bitOperators[fn]} ${b})`;
    case "shl":
      if (big) return `$shl${type === "i64" ? "64" : "U64"}(${a}, ${b})`;
      return wrapped(type, `(${b} >>> 0 > 31 ? 0 : ${a} << ${b})`);
    case "shr":
      if (big) return `$shr${type === "i64" ? "64" : "U64"}(${a}, ${b})`;
      return type === "i32" ? `(${a} >> (${b} >>> 0 > 31 ? 31 : ${b}))` : `(${b} > 31 ? 0 : ${a} >>> ${b})`;
  }
}

const comparisons: Readonly<Record<CompareFunction, string>> = {
  eq: "===",
  ne: "!==",
  lt: "<",
  le: "<=",
  gt: ">",
  ge: ">=",
};

export function compareText(fn: CompareFunction, a: string, b: string): string {
  return `(${a} ${comparisons[fn]} ${b})`;
}

export function castText(from: ScalarType, to: ScalarType, a: string): string {
  const big = from === "i64" || from === "u64";
  if (from === to) return a;
  if (from === "bool") return to === "i64" || to === "u64" ? `(${a} ? 1n : 0n)` : `(${a} ? 1 : 0)`;
  const float = from === "f32" || from === "f64";
  switch (to) {
    case "bool":
      return `(${a} !== ${big ? "0n" : "0"})`;
    case "f32":
      return big ? `$bigToF32(${a})` : `$fround(${a})`;
    case "f64":
      return big ? `Number(${a})` : a;
    case "i32":
      if (big) return `Number(BigInt.asIntN(32, ${a}))`;
      return float ? `$toI32(${a})` : `(${a} | 0)`;
    case "u32":
      if (big) return `Number(BigInt.asUintN(32, ${a}))`;
      return float ? `$toU32(${a})` : `(${a} >>> 0)`;
    case "i64":
      if (big) return `BigInt.asIntN(64, ${a})`;
      return float ? `$toI64(${a})` : `BigInt(${a})`;
    case "u64":
      if (big) return `BigInt.asUintN(64, ${a})`;
      return float ? `$toU64(${a})` : `BigInt.asUintN(64, BigInt(${a}))`;
  }
}

/** A cast of a 64-bit element to 32 bits or a float, read as two words so that no bigint is made; `w…` views words. */
export function wordsText(from: ScalarType, to: ScalarType, buffer: number, offset: string): string | undefined {
  const low = `w${buffer}[2 * ${offset}]`;
  if (to === "i32") return low;
  if (to === "u32") return `(${low} >>> 0)`;
  if (to === "bool") return `((${low} | w${buffer}[2 * ${offset} + 1]) !== 0)`;
  if (from !== "i64") return undefined;
  if (to === "f64") return `(w${buffer}[2 * ${offset} + 1] * 4294967296 + (${low} >>> 0))`;
  return to === "f32" ? `$wordsToF32(w${buffer}[2 * ${offset} + 1], ${low} >>> 0)` : undefined;
}

export function bitcastText(from: ScalarType, to: ScalarType, a: string): string {
  if (from === "f32") return to === "u32" ? `($bitsOfF32(${a}) >>> 0)` : `$bitsOfF32(${a})`;
  if (to === "f32") return `$f32OfBits(${a})`;
  if (from === "f64") return to === "u64" ? `BigInt.asUintN(64, $bitsOfF64(${a}))` : `$bitsOfF64(${a})`;
  if (to === "f64") return `$f64OfBits(${a})`;
  return castText(from, to, a);
}
