/** Single-value instructions by scalar type: arithmetic, comparison, conversion, loads and stores. */
import { assert } from "../../base/index.ts";
import type { ElementType, ScalarType } from "../ir/element-type.ts";
import type { BinaryFunction, CompareFunction, UnaryFunction } from "../ir/expression.ts";
import type { FunctionBuilder, ValueType } from "../wasm/function-builder.ts";
import type { PlainOpcode } from "../wasm/opcodes.ts";

export function valueTypeOf(type: ScalarType): ValueType {
  switch (type) {
    case "f32":
    case "f64":
      return type;
    case "i64":
    case "u64":
      return "i64";
    default:
      return "i32";
  }
}

const isSigned = (type: ScalarType): boolean => type === "i32" || type === "i64";
const isFloating = (type: ScalarType): boolean => type === "f32" || type === "f64";

/** Asks for a shared function by symbol; gives the symbol back. */
export type RequireFunction = (symbol: string) => string;

const directUnary: Partial<Record<UnaryFunction, string>> = {
  floor: "floor",
  ceil: "ceil",
  trunc: "trunc",
  nearest: "nearest",
  sqrt: "sqrt",
};

/** The operand is on the stack. */
export function emitUnary(b: FunctionBuilder, fn: UnaryFunction, type: ScalarType, needs: RequireFunction): void {
  if (type === "bool") {
    b.op("i32.eqz");
    return;
  }
  const value = valueTypeOf(type) as "i32" | "i64" | "f32" | "f64";
  if (isFloating(type)) {
    const direct = directUnary[fn] ?? (fn === "neg" || fn === "abs" ? fn : undefined);
    if (direct) b.op(`${value}.${direct}` as PlainOpcode);
    else b.call(needs(`${fn}.${value}`));
    return;
  }
  switch (fn) {
    case "bitnot":
      if (value === "i64") b.i64(-1n).op("i64.xor");
      else b.i32(-1).op("i32.xor");
      return;
    case "neg":
      if (value === "i64") b.i64(-1n).op("i64.mul");
      else b.i32(-1).op("i32.mul");
      return;
    case "abs": {
      const local = b.local(value as ValueType);
      b.set(local);
      if (value === "i64")
        b.get(local).i64(-1n).op("i64.mul").get(local).get(local).i64(0n).op("i64.lt_s").op("select");
      else b.get(local).i32(-1).op("i32.mul").get(local).get(local).i32(0).op("i32.lt_s").op("select");
      b.release(local);
      return;
    }
    case "wrapInt8":
      b.op("i32.extend8_s");
      return;
    case "wrapInt16":
      b.op("i32.extend16_s");
      return;
    case "wrapUint8":
      b.i32(255).op("i32.and");
      return;
    case "wrapUint16":
      b.i32(65535).op("i32.and");
      return;
    default:
      assert(false, `no ${fn} of ${type}`);
  }
}

/** Both operands are on the stack. */
export function emitBinary(b: FunctionBuilder, fn: BinaryFunction, type: ScalarType, needs: RequireFunction): void {
  const value = valueTypeOf(type) as "i32" | "i64" | "f32" | "f64";
  if (isFloating(type)) {
    if (fn === "pow" || fn === "rem") b.call(needs(`${fn}.${value}`));
    else b.op(`${value}.${fn}` as PlainOpcode);
    return;
  }
  if (type === "bool") {
    b.op(
      (
        {
          and: "i32.and",
          or: "i32.or",
          xor: "i32.xor",
          min: "i32.and",
          max: "i32.or",
          mul: "i32.and",
          add: "i32.or",
        } as Record<string, PlainOpcode>
      )[fn]!,
    );
    return;
  }
  switch (fn) {
    case "add":
    case "sub":
    case "mul":
    case "and":
    case "or":
    case "xor":
      b.op(`${value}.${fn}` as PlainOpcode);
      return;
    default:
      b.call(needs(`${fn}.${type}`));
  }
}

/** Integer division or remainder by a constant other than 0 and -1. */
export function emitDivideByConstant(b: FunctionBuilder, fn: "div" | "rem", type: ScalarType): void {
  b.op(`${valueTypeOf(type)}.${fn}_${isSigned(type) ? "s" : "u"}` as PlainOpcode);
}

const comparisonNames = { eq: "eq", ne: "ne", lt: "lt", le: "le", gt: "gt", ge: "ge" } as const;

export function emitCompare(b: FunctionBuilder, fn: CompareFunction, type: ScalarType): void {
  const value = valueTypeOf(type);
  const name = comparisonNames[fn];
  const plain = isFloating(type) || fn === "eq" || fn === "ne";
  b.op(`${value}.${name}${plain ? "" : isSigned(type) ? "_s" : "_u"}` as PlainOpcode);
}

export function emitCast(b: FunctionBuilder, to: ScalarType, from: ScalarType): void {
  const source = valueTypeOf(from);
  const target = valueTypeOf(to);
  if (to === "bool") {
    if (source === "f32") b.f32(0).op("f32.ne");
    else if (source === "f64") b.f64(0).op("f64.ne");
    else if (source === "i64") b.i64(0n).op("i64.ne");
    else b.i32(0).op("i32.ne");
    return;
  }
  if (source === target) return;
  const sign = (type: ScalarType): string => (isSigned(type) ? "s" : "u");
  if (target === "f32" || target === "f64") {
    if (isFloating(from)) b.op(target === "f32" ? "f32.demote_f64" : "f64.promote_f32");
    else b.op(`${target}.convert_${source}_${sign(from)}` as PlainOpcode);
  } else if (isFloating(from)) b.op(`${target}.trunc_sat_${source}_${sign(to)}` as PlainOpcode);
  else if (target === "i32") b.op("i32.wrap_i64");
  else b.op(`i64.extend_i32_${sign(from)}` as PlainOpcode);
}

export function emitBitcast(b: FunctionBuilder, to: ScalarType): void {
  const name = {
    f32: "f32.reinterpret_i32",
    i32: "i32.reinterpret_f32",
    f64: "f64.reinterpret_i64",
    i64: "i64.reinterpret_f64",
  } as const;
  b.op(name[to as keyof typeof name]);
}

/** The address is on the stack. */
export function emitLoad(b: FunctionBuilder, element: ElementType, offset: number, needs: RequireFunction): void {
  switch (element) {
    case "float32":
      b.memory("f32.load", offset, 2);
      return;
    case "float64":
      b.memory("f64.load", offset, 3);
      return;
    case "float16":
      b.memory("i32.load16_u", offset, 1).call(needs("fromHalf.f32"));
      return;
    case "bfloat16":
      b.memory("i32.load16_u", offset, 1).i32(16).op("i32.shl").op("f32.reinterpret_i32");
      return;
    case "int8":
      b.memory("i32.load8_s", offset);
      return;
    case "uint8":
    case "bool":
      b.memory("i32.load8_u", offset);
      return;
    case "int16":
      b.memory("i32.load16_s", offset, 1);
      return;
    case "uint16":
      b.memory("i32.load16_u", offset, 1);
      return;
    case "int32":
    case "uint32":
      b.memory("i32.load", offset, 2);
      return;
    default:
      b.memory("i64.load", offset, 3);
  }
}

/** Address and value are on the stack. */
export function emitStore(b: FunctionBuilder, element: ElementType, offset: number, needs: RequireFunction): void {
  switch (element) {
    case "float32":
      b.memory("f32.store", offset, 2);
      return;
    case "float64":
      b.memory("f64.store", offset, 3);
      return;
    case "float16":
      b.call(needs("toHalf.f32")).memory("i32.store16", offset, 1);
      return;
    case "bfloat16":
      b.call(needs("toBrain.f32")).memory("i32.store16", offset, 1);
      return;
    case "int8":
    case "uint8":
    case "bool":
      b.memory("i32.store8", offset);
      return;
    case "int16":
    case "uint16":
      b.memory("i32.store16", offset, 1);
      return;
    case "int32":
    case "uint32":
      b.memory("i32.store", offset, 2);
      return;
    default:
      b.memory("i64.store", offset, 3);
  }
}

export function emitConstant(b: FunctionBuilder, type: ScalarType, value: number | bigint): void {
  const target = valueTypeOf(type);
  if (target === "i64") b.i64(BigInt.asIntN(64, BigInt(value)));
  else if (target === "f32") b.f32(Number(value));
  else if (target === "f64") b.f64(Number(value));
  else b.i32(Number(value) | 0);
}
