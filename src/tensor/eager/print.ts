/**
 * Prints a unit's program as plain JavaScript: the reference every compiled unit is held against, and what runs in
 * its stead where it could not be compiled.
 *
 * The text is one function expression `(b0, b1, …) => void` over typed arrays (float16 and bfloat16 as raw bits, bool
 * as bytes), to be evaluated after `eagerPrelude`. It holds numbers and fixed identifiers only, never a name out of a
 * model. Each float32 operation is rounded by Math.fround, but sums are accumulated in double and rounded once: the
 * oracle is to be the more exact of the two. Contractions are plain loops with double accumulators.
 */
import { assert } from "../../base/index.ts";
import { type ElementType, newArray, type ScalarType } from "../ir/element-type.ts";
import type { Expr, UnaryExpr } from "../ir/expression.ts";
import type { BufferDeclaration, Stmt, UnitProgram } from "../ir/kernel.ts";
import { printContraction } from "./print-contraction.ts";

/** The function expression for a program. */
export function eagerSource(program: UnitProgram): string {
  const printer = new Printer(program.buffers);
  const parameters = program.buffers.filter((buffer) => buffer.role !== "scratch").map((buffer) => `b${buffer.id}`);
  const scratch = program.buffers.filter((buffer) => buffer.role === "scratch").map((buffer) => allocation(buffer));
  const body = program.kernels.map((kernel) =>
    kernel.kind === "loops"
      ? printer.block(kernel.body)
      : printContraction(kernel, (statements) => printer.block(statements)),
  );
  return `(${parameters.join()}) => {\n${[...scratch, ...body].join("\n")}\n}`;
}

function allocation(buffer: BufferDeclaration): string {
  return `const b${buffer.id} = new ${newArray(buffer.type, 0).constructor.name}(${buffer.count});`;
}

function assignedIn(statements: readonly Stmt[]): Set<number> {
  const found = new Set<number>();
  for (const one of statements) {
    if (one.do === "assign") found.add(one.target.id);
    const inner = one.do === "if" ? [...one.then, ...one.otherwise] : "body" in one ? one.body : [];
    for (const id of assignedIn(inner)) found.add(id);
  }
  return found;
}

const integers = new Set<ScalarType>(["i32", "u32", "i64", "u64"]);

class Printer {
  readonly #buffers: readonly BufferDeclaration[];

  constructor(buffers: readonly BufferDeclaration[]) {
    this.#buffers = buffers;
  }

  /** A block of its own, with the variables that are assigned anywhere in it declared first. */
  block(statements: readonly Stmt[]): string {
    const assigned = [...assignedIn(statements)].map((id) => `v${id}`);
    return `{${assigned.length > 0 ? `let ${assigned.join()};` : ""}${this.statements(statements)}}`;
  }

  statements(statements: readonly Stmt[]): string {
    return statements.map((one) => this.#statement(one)).join("");
  }

  #statement(statement: Stmt): string {
    switch (statement.do) {
      case "for": {
        const name = `v${statement.index.id}`;
        const head = `for (let ${name} = 0, e${name} = ${this.expression(statement.extent)}; ${name} < e${name}; ${name}++)`;
        return `${head} {${this.statements(statement.body)}}\n`;
      }
      case "reduce":
        return this.#reduce(statement);
      case "let":
        return `const v${statement.target.id} = ${this.expression(statement.value)};`;
      case "assign":
        return `v${statement.target.id} = ${this.expression(statement.value)};`;
      case "store":
        return this.#store(statement.buffer, this.expression(statement.offset), this.expression(statement.value));
      case "if": {
        const otherwise = statement.otherwise.length > 0 ? ` else {${this.statements(statement.otherwise)}}` : "";
        return `if (${this.expression(statement.condition)}) {${this.statements(statement.then)}}${otherwise}\n`;
      }
      case "while":
        return `while (${this.expression(statement.condition)}) {${this.statements(statement.body)}}\n`;
    }
  }

  #reduce(statement: Extract<Stmt, { do: "reduce" }>): string {
    const index = `v${statement.index.id}`;
    const declared = statement.accumulators.map(({ target, init }) => `let v${target.id} = ${this.expression(init)};`).join("");
    const steps = statement.accumulators.map(({ target, fn, value }) => {
      const name = `v${target.id}`;
      const next = this.expression(value);
      if (fn === "add" && (target.type === "f32" || target.type === "f64")) return `${name} += ${next};`;
      return `${name} = ${this.#binary(fn, target.type, name, next)};`;
    });
    const head = `for (let ${index} = 0, e${index} = ${this.expression(statement.extent)}; ${index} < e${index}; ${index}++)`;
    const rounded = statement.accumulators
      .filter(({ target, fn }) => target.type === "f32" && fn === "add")
      .map(({ target }) => `v${target.id} = Math.fround(v${target.id});`);
    return `${declared}${head} {${this.statements(statement.body)}${steps.join("")}}\n${rounded.join("")}`;
  }

  #store(buffer: number, offset: string, value: string): string {
    const { type } = this.#buffers[buffer]!;
    const target = `b${buffer}[${offset}]`;
    if (type === "float16") return `${target} = toHalf(${value});`;
    if (type === "bfloat16") return `${target} = toBrain(${value});`;
    return `${target} = ${value};`;
  }

  expression(node: Expr): string {
    switch (node.op) {
      case "const":
        return literal(node.type, node.value);
      case "var":
        return `v${node.id}`;
      case "load":
        return this.#load(node.buffer, this.expression(node.offset));
      case "unary":
        return this.#unary(node);
      case "binary":
        return this.#binary(node.fn, node.type, this.expression(node.a), this.expression(node.b));
      case "compare":
        return `(${this.expression(node.a)} ${comparisons[node.fn]} ${this.expression(node.b)} ? 1 : 0)`;
      case "select":
        return `(${this.expression(node.condition)} ? ${this.expression(node.a)} : ${this.expression(node.b)})`;
      case "cast":
        return castTo(node.type, node.a.type, this.expression(node.a));
      case "bitcast":
        return `${bitcasts[`${node.a.type}:${node.type}`]}(${this.expression(node.a)})`;
    }
  }

  #load(buffer: number, offset: string): string {
    const type: ElementType = this.#buffers[buffer]!.type;
    const element = `b${buffer}[${offset}]`;
    if (type === "float16") return `fromHalf(${element})`;
    if (type === "bfloat16") return `fromBrain(${element})`;
    return element;
  }

  #unary(node: UnaryExpr): string {
    const a = this.expression(node.a);
    const { fn, type } = node;
    if (type === "bool") return `(${a} ? 0 : 1)`;
    if (integers.has(type)) return integerUnary(fn, type, a);
    if (fn === "roundFloat16") return `fromHalf(toHalf(${a}))`;
    if (fn === "roundBfloat16") return `fromBrain(toBrain(${a}))`;
    if (fn === "neg") return `(-${a})`;
    const call = floatFunctions[fn] ?? `Math.${fn}`;
    const value = `${call}(${a})`;
    return type === "f32" && !exactFunctions.has(fn) ? `Math.fround(${value})` : value;
  }

  #binary(fn: string, type: ScalarType, a: string, b: string): string {
    if (type === "bool") return `(${a} ${{ and: "&", or: "|", xor: "^", min: "&", max: "|", mul: "&", add: "|" }[fn]} ${b})`;
    if (integers.has(type)) return integerBinary(fn, type, a, b);
    let value: string;
    if (fn === "min" || fn === "max") return `Math.${fn}(${a}, ${b})`;
    if (fn === "pow") value = `power(${a}, ${b})`;
    else if (fn === "rem") value = `(${a} % ${b})`;
    else value = `(${a} ${{ add: "+", sub: "-", mul: "*", div: "/" }[fn]} ${b})`;
    return type === "f32" ? `Math.fround(${value})` : value;
  }
}

const comparisons = { eq: "===", ne: "!==", lt: "<", le: "<=", gt: ">", ge: ">=" } as const;
const bitcasts: Readonly<Record<string, string>> = {
  "f32:i32": "bitsOf32",
  "i32:f32": "floatOf32",
  "f64:i64": "bitsOf64",
  "i64:f64": "floatOf64",
};
const floatFunctions: Readonly<Record<string, string>> = { nearest: "nearest", erf: "erf", sigmoid: "sigmoid" };
/** Functions whose result on a float32 is a float32 already. */
const exactFunctions = new Set(["abs", "floor", "ceil", "trunc", "nearest"]);

function literal(type: ScalarType, value: number | bigint): string {
  if (type === "i64" || type === "u64") return `${value < 0 ? `(${value}n)` : `${value}n`}`;
  const number = Number(value);
  if (Number.isNaN(number)) return "NaN";
  if (number === Number.POSITIVE_INFINITY) return "Infinity";
  if (number === Number.NEGATIVE_INFINITY) return "(-Infinity)";
  if (Object.is(number, -0)) return "(-0)";
  return number < 0 ? `(${number})` : String(number);
}

function wrap(type: ScalarType, value: string): string {
  if (type === "i32") return `(${value} | 0)`;
  if (type === "u32") return `(${value} >>> 0)`;
  return type === "i64" ? `BigInt.asIntN(64, ${value})` : `BigInt.asUintN(64, ${value})`;
}

function integerUnary(fn: UnaryExpr["fn"], type: ScalarType, a: string): string {
  switch (fn) {
    case "neg":
      return wrap(type, `-${a}`);
    case "abs":
      return wrap(type, `magnitude(${a})`);
    case "bitnot":
      return wrap(type, `~${a}`);
    case "wrapInt8":
      return `((${a} << 24) >> 24)`;
    case "wrapUint8":
      return `(${a} & 255)`;
    case "wrapInt16":
      return `((${a} << 16) >> 16)`;
    case "wrapUint16":
      return `(${a} & 65535)`;
    default:
      assert(false, `${fn} of ${type}`);
  }
}

function integerBinary(fn: string, type: ScalarType, a: string, b: string): string {
  const wide = type === "i64" || type === "u64";
  switch (fn) {
    case "add":
    case "sub":
      return wrap(type, `(${a} ${fn === "add" ? "+" : "-"} ${b})`);
    case "mul":
      return wide ? wrap(type, `(${a} * ${b})`) : wrap(type, `Math.imul(${a}, ${b})`);
    case "div":
      return wide ? wrap(type, `quotientWide(${a}, ${b})`) : wrap(type, `(${a} / ${b})`);
    case "rem":
      return wide ? `remainderWide(${a}, ${b})` : wrap(type, `(${a} % ${b})`);
    case "pow":
      return wide ? wrap(type, `powerWide(${a}, ${b})`) : wrap(type, `powerInteger(${a}, ${b})`);
    case "min":
    case "max":
      return `lesser${fn === "max" ? "Not" : ""}(${a}, ${b})`;
    case "and":
    case "or":
    case "xor":
      return wrap(type, `(${a} ${{ and: "&", or: "|", xor: "^" }[fn]} ${b})`);
    case "shl":
      return wide ? wrap(type, `shiftLeftWide(${a}, ${b})`) : wrap(type, `shiftLeft(${a}, ${b})`);
    case "shr":
      return wide ? `shiftRightWide(${a}, ${b})` : wrap(type, `shiftRight${type === "u32" ? "Unsigned" : ""}(${a}, ${b})`);
    default:
      assert(false, `${fn} of ${type}`);
  }
}

function castTo(to: ScalarType, from: ScalarType, a: string): string {
  if (to === "bool") return `(${a} ${from === "i64" || from === "u64" ? "!== 0n" : "!== 0"} ? 1 : 0)`;
  const wideFrom = from === "i64" || from === "u64";
  const fromFloat = from === "f32" || from === "f64";
  if (to === "f64") return wideFrom ? `Number(${a})` : a;
  if (to === "f32") return `Math.fround(${wideFrom ? `Number(${a})` : a})`;
  if (to === "i64" || to === "u64") {
    if (wideFrom) return wrap(to, a);
    return fromFloat ? `saturate${to === "i64" ? "Signed" : "Unsigned"}Wide(${a})` : wrap(to, `BigInt(${a})`);
  }
  if (wideFrom) return to === "i32" ? `Number(BigInt.asIntN(32, ${a}))` : `Number(BigInt.asUintN(32, ${a}))`;
  if (fromFloat) return `saturate${to === "i32" ? "Signed" : "Unsigned"}(${a})`;
  return wrap(to, a);
}
