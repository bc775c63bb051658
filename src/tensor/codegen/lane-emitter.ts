/** Four lanes of one loop: varying expressions as v128, f32x4 or i32x4; a bool is a mask of all ones or all zeros. */
import { assert } from "../../base/index.ts";
import { byteSizeOf, type ElementType, type ScalarType } from "../ir/element-type.ts";
import type { Accumulator, Stmt } from "../ir/kernel.ts";
import type { Local } from "../wasm/function-builder.ts";
import type { PlainOpcode } from "../wasm/opcodes.ts";
import { childrenOf, type Node } from "./canonical.ts";
import type { KernelEmitter } from "./kernel-emitter.ts";
import { laneCount } from "./lane-plan.ts";
import { emitLoad, emitStore } from "./scalar-operations.ts";

const ramp = new Uint8Array(new Int32Array([0, 1, 2, 3]).buffer);

const floatUnary: Readonly<Record<string, PlainOpcode>> = {
  neg: "f32x4.neg",
  abs: "f32x4.abs",
  floor: "f32x4.floor",
  ceil: "f32x4.ceil",
  trunc: "f32x4.trunc",
  nearest: "f32x4.nearest",
  sqrt: "f32x4.sqrt",
};
const floatCalls = new Set(["exp", "log", "tanh", "sigmoid", "erf"]);
const floatBinary: Readonly<Record<string, PlainOpcode>> = {
  add: "f32x4.add",
  sub: "f32x4.sub",
  mul: "f32x4.mul",
  div: "f32x4.div",
  min: "f32x4.min",
  max: "f32x4.max",
};
const integerBinary: Readonly<Record<string, PlainOpcode>> = {
  add: "i32x4.add",
  sub: "i32x4.sub",
  mul: "i32x4.mul",
  and: "v128.and",
  or: "v128.or",
  xor: "v128.xor",
};

export class LaneEmitter {
  readonly #kernel: KernelEmitter;
  readonly #variable: number;
  readonly #bound = new Map<number, Local>();
  readonly #varying = new Map<number, boolean>();

  constructor(kernel: KernelEmitter, variable: number) {
    this.#kernel = kernel;
    this.#variable = variable;
  }

  /** A variable that holds lanes. */
  bind(variable: number, local: Local): void {
    this.#bound.set(variable, local);
    this.#varying.clear();
  }

  boundLocal(variable: number): Local {
    return this.#bound.get(variable)!;
  }

  isVarying(node: Node): boolean {
    const known = this.#varying.get(node.id);
    if (known !== undefined) return known;
    const found =
      node.op === "var"
        ? node.variable === this.#variable || this.#bound.has(node.variable)
        : childrenOf(node).some((child) => this.isVarying(child));
    this.#varying.set(node.id, found);
    return found;
  }

  /** Accumulators of an inner reduction whose values vary, found before any is bound. */
  varyingAccumulators(one: Extract<Stmt, { do: "reduce" }>): Set<number> {
    const { interner } = this.#kernel;
    const inside = new Set<number>();
    const varies = (node: Node): boolean =>
      this.isVarying(node) || [...inside].some((variable) => interner.dependsOn(node, variable));
    const walk = (statements: readonly Stmt[]): void => {
      for (const inner of statements) {
        if (inner.do === "let" && varies(interner.node(inner.value))) inside.add(inner.target.id);
        if (inner.do === "reduce") {
          walk(inner.body);
          for (const { target, value } of inner.accumulators) if (varies(interner.node(value))) inside.add(target.id);
        }
        if (inner.do === "for") walk(inner.body);
      }
    };
    walk(one.body);
    return new Set(one.accumulators.filter(({ value }) => varies(interner.node(value))).map(({ target }) => target.id));
  }

  accumulate(variable: number, fn: Accumulator["fn"], type: ScalarType, value: Node): void {
    const b = this.#kernel.builder;
    const local = this.#bound.get(variable)!;
    if (type === "f32" && fn === "add" && this.#kernel.relaxed && value.op === "binary" && value.fn === "mul") {
      this.emit(value.a);
      this.emit(value.b);
      b.get(local).op("f32x4.relaxed_madd").set(local);
      return;
    }
    b.get(local);
    this.emit(value);
    this.#combine(fn, type);
    b.set(local);
  }

  #combine(fn: string, type: ScalarType): void {
    const b = this.#kernel.builder;
    if (type === "f32") b.op(floatBinary[fn]!);
    else if (type === "bool") b.op(fn === "and" || fn === "min" || fn === "mul" ? "v128.and" : "v128.or");
    else if (fn === "min" || fn === "max") b.op(`i32x4.${fn}_${type === "u32" ? "u" : "s"}`);
    else b.op(integerBinary[fn]!);
  }

  /** Leaves four lanes of a node on the stack. */
  emit(node: Node): void {
    const b = this.#kernel.builder;
    if (node.op === "const") {
      if (node.type === "f32") b.f32x4(node.value as number);
      else b.i32x4(node.type === "bool" ? -(node.value as number) : Number(node.value) | 0);
      return;
    }
    if (node.op === "var" && this.#bound.has(node.variable)) {
      b.get(this.#bound.get(node.variable)!);
      return;
    }
    const kept = this.#kernel.keptLanes(node);
    if (kept) {
      b.get(kept);
      return;
    }
    if (!this.isVarying(node)) this.#splat(node);
    else if (node.op === "var") b.get(this.#kernel.local(node.variable)).op("i32x4.splat").v128(ramp).op("i32x4.add");
    else if (!this.#vector(node)) this.#laneByLane(node);
    if ((node.uses > 1 || !this.isVarying(node)) && !node.volatile) this.#kernel.keepLanes(node);
  }

  #splat(node: Node): void {
    const b = this.#kernel.builder;
    if (node.type === "bool") b.i32(0);
    this.#kernel.emit(node);
    if (node.type === "bool") b.op("i32.sub");
    b.op(node.type === "f32" ? "f32x4.splat" : "i32x4.splat");
  }

  /** Emits the vector form of an operation; false, with nothing emitted, where there is none. */
  #vector(node: Node): boolean {
    switch (node.op) {
      case "load":
        return this.#load(node);
      case "unary":
        return this.#unary(node);
      case "binary":
        return this.#binary(node);
      case "compare":
        return this.#compare(node);
      case "select":
        if (node.type === "f64" || node.type === "i64" || node.type === "u64") return false;
        this.emit(node.a);
        this.emit(node.b);
        this.emit(node.condition);
        this.#kernel.builder.op("v128.bitselect");
        return true;
      case "cast":
        return this.#cast(node);
      case "bitcast":
        if (node.a.type === "f64" || node.a.type === "i64") return false;
        this.emit(node.a);
        return true;
      default:
        return false;
    }
  }

  #load(node: Extract<Node, { op: "load" }>): boolean {
    const b = this.#kernel.builder;
    const step = this.#step(node.address);
    const size = byteSizeOf(node.element);
    if (step === undefined) return false;
    if (step !== size) return this.#gatherFixed(node, step);
    const { offset } = node;
    switch (node.element) {
      case "float32":
      case "int32":
      case "uint32":
        this.emitLane(node.address, 0);
        b.memory("v128.load", offset);
        return true;
      case "uint8":
      case "bool":
      case "int8": {
        this.emitLane(node.address, 0);
        b.memory("v128.load32_zero", offset);
        if (node.element === "int8") b.op("i16x8.extend_low_i8x16_s").op("i32x4.extend_low_i16x8_s");
        else b.op("i16x8.extend_low_i8x16_u").op("i32x4.extend_low_i16x8_u");
        if (node.element === "bool") b.i32x4(0).op("i32x4.ne");
        return true;
      }
      case "int16":
      case "uint16":
      case "bfloat16":
        this.emitLane(node.address, 0);
        b.memory(node.element === "int16" ? "v128.load16x4_s" : "v128.load16x4_u", offset);
        if (node.element === "bfloat16") b.i32(16).op("i32x4.shl");
        return true;
      default:
        return false;
    }
  }

  /** Elements a fixed number of bytes apart. */
  #gatherFixed(node: Extract<Node, { op: "load" }>, step: number): boolean {
    if (step <= 0 || !["float32", "int32", "uint32"].includes(node.element)) return false;
    const b = this.#kernel.builder;
    const address = b.local("i32");
    this.emitLane(node.address, 0);
    b.tee(address).memory("v128.load32_splat", node.offset);
    const lanes = b.local("v128");
    for (let lane = 1; lane < laneCount; lane++) {
      b.set(lanes)
        .get(address)
        .get(lanes)
        .memoryLane("v128.load32_lane", node.offset + lane * step, lane);
    }
    b.release(address, lanes);
    return true;
  }

  /** Bytes an address moves from lane to lane, or undefined where that differs. */
  #step(address: Node): number | undefined {
    for (const variable of this.#bound.keys()) if (this.#kernel.interner.dependsOn(address, variable)) return undefined;
    return this.#kernel.interner.coefficient(address, this.#variable);
  }

  #unary(node: Extract<Node, { op: "unary" }>): boolean {
    const b = this.#kernel.builder;
    const { fn, type } = node;
    if (type === "f32") {
      const direct = floatUnary[fn];
      if (!direct && !floatCalls.has(fn)) return false;
      this.emit(node.a);
      if (direct) b.op(direct);
      else b.call(this.#kernel.require(`${fn}.f32x4`));
      return true;
    }
    if (type === "f64" || type === "i64" || type === "u64") return false;
    this.emit(node.a);
    if (fn === "not" || fn === "bitnot") b.op("v128.not");
    else if (fn === "neg") b.op("i32x4.neg");
    else if (fn === "abs") b.op("i32x4.abs");
    else if (fn === "wrapUint8") b.i32x4(255).op("v128.and");
    else if (fn === "wrapUint16") b.i32x4(65535).op("v128.and");
    else {
      const bits = fn === "wrapInt8" ? 24 : 16;
      assert(fn === "wrapInt8" || fn === "wrapInt16", `no lanes for ${fn}`);
      b.i32(bits).op("i32x4.shl").i32(bits).op("i32x4.shr_s");
    }
    return true;
  }

  #binary(node: Extract<Node, { op: "binary" }>): boolean {
    const { fn, type } = node;
    const b = this.#kernel.builder;
    if (type === "f32") {
      if (fn === "pow" && node.b.op === "const" && node.b.value === 2) {
        this.emit(node.a);
        this.emit(node.a);
        b.op("f32x4.mul");
        return true;
      }
      if (!floatBinary[fn]) return false;
      if (fn === "add" && this.#kernel.relaxed && this.#multiplyAdd(node.a, node.b)) return true;
      this.emit(node.a);
      this.emit(node.b);
      b.op(floatBinary[fn]);
      return true;
    }
    if (type === "f64" || type === "i64" || type === "u64") return false;
    if (fn === "shl" || fn === "shr") {
      const count = node.b.op === "const" ? Number(node.b.value) : -1;
      if (count < 0 || count > 31) return false;
      this.emit(node.a);
      b.i32(count).op(fn === "shl" ? "i32x4.shl" : type === "u32" ? "i32x4.shr_u" : "i32x4.shr_s");
      return true;
    }
    if (type !== "bool" && fn !== "min" && fn !== "max" && !integerBinary[fn]) return false;
    this.emit(node.a);
    this.emit(node.b);
    if (type === "bool" && fn === "xor") b.op("v128.xor");
    else this.#combine(fn, type);
    return true;
  }

  /** a*b + c as one fused operation, where one of the addends is a product used here alone. */
  #multiplyAdd(a: Node, b: Node): boolean {
    const [product, addend] = a.op === "binary" && a.fn === "mul" && a.uses === 1 ? [a, b] : [b, a];
    if (product.op !== "binary" || product.fn !== "mul" || product.uses !== 1) return false;
    this.emit(product.a);
    this.emit(product.b);
    this.emit(addend);
    this.#kernel.builder.op("f32x4.relaxed_madd");
    return true;
  }

  #compare(node: Extract<Node, { op: "compare" }>): boolean {
    const { type } = node.a;
    if (type === "f64" || type === "i64" || type === "u64") return false;
    this.emit(node.a);
    this.emit(node.b);
    const plain = type === "f32" || node.fn === "eq" || node.fn === "ne";
    const sign = plain ? "" : type === "u32" ? "_u" : "_s";
    // As masks, false is 0 and true is -1: the order of bools turns round.
    const fn =
      type === "bool" ? ({ lt: "gt", le: "ge", gt: "lt", ge: "le", eq: "eq", ne: "ne" } as const)[node.fn] : node.fn;
    this.#kernel.builder.op(`${type === "f32" ? "f32x4" : "i32x4"}.${fn}${sign}` as PlainOpcode);
    return true;
  }

  #cast(node: Extract<Node, { op: "cast" }>): boolean {
    const b = this.#kernel.builder;
    const from = node.a.type;
    const to = node.type;
    const wide = (type: ScalarType): boolean => type === "f64" || type === "i64" || type === "u64";
    if (wide(from) || wide(to)) return false;
    this.emit(node.a);
    if (to === "bool") {
      if (from === "f32") b.f32x4(0).op("f32x4.ne");
      else if (from !== "bool") b.i32x4(0).op("i32x4.ne");
    } else if (from === "bool") {
      if (to === "f32") b.f32x4(1).op("v128.and");
      else b.i32x4(1).op("v128.and");
    } else if (to === "f32") b.op(from === "u32" ? "f32x4.convert_i32x4_u" : "f32x4.convert_i32x4_s");
    else if (from === "f32") b.op(to === "u32" ? "i32x4.trunc_sat_f32x4_u" : "i32x4.trunc_sat_f32x4_s");
    return true;
  }

  /** The same operation four times, one lane each. */
  #laneByLane(node: Node): void {
    const b = this.#kernel.builder;
    const float = node.type === "f32";
    for (let lane = 0; lane < laneCount; lane++) {
      if (node.type === "bool") b.i32(0);
      this.emitLane(node, lane);
      if (node.type === "bool") b.op("i32.sub");
      if (lane === 0) b.op(float ? "f32x4.splat" : "i32x4.splat");
      else b.lane(float ? "f32x4.replace_lane" : "i32x4.replace_lane", lane);
    }
  }

  /** Leaves one lane's value of a node on the stack, computed by itself. */
  emitLane(node: Node, lane: number): void {
    const b = this.#kernel.builder;
    if (!this.isVarying(node)) {
      this.#kernel.emit(node);
      return;
    }
    if (node.op === "var") {
      const lanes = this.#bound.get(node.variable);
      if (!lanes) {
        b.get(this.#kernel.local(node.variable));
        if (lane > 0) b.i32(lane).op("i32.add");
      } else if (node.type === "f32") b.get(lanes).lane("f32x4.extract_lane", lane);
      else {
        b.get(lanes).lane("i32x4.extract_lane", lane);
        if (node.type === "bool") b.i32(1).op("i32.and");
      }
      return;
    }
    if (node.op === "load") {
      this.emitLane(node.address, lane);
      emitLoad(b, node.element, node.offset, this.#kernel.require);
      return;
    }
    this.#kernel.emitOperation(node, (child) => this.emitLane(child, lane));
  }

  store(element: ElementType, address: Node, offset: number, value: Node): void {
    const b = this.#kernel.builder;
    const size = byteSizeOf(element);
    const narrow = size === 4 ? undefined : element;
    const contiguous = this.#step(address) === size;
    if (!contiguous || size === 8 || element === "float16" || element === "bfloat16") {
      this.#storeLaneByLane(element, address, offset, value);
      return;
    }
    this.emitLane(address, 0);
    this.emit(value);
    if (!narrow) b.memory("v128.store", offset);
    else if (size === 1) {
      b.i32x4(element === "bool" ? 1 : 255).op("v128.and");
      const packed = b.local("v128");
      b.tee(packed).get(packed).op("i16x8.narrow_i32x4_u").tee(packed).get(packed).op("i8x16.narrow_i16x8_u");
      b.memoryLane("v128.store32_lane", offset, 0);
      b.release(packed);
    } else {
      b.i32x4(65535).op("v128.and");
      const packed = b.local("v128");
      b.tee(packed).get(packed).op("i16x8.narrow_i32x4_u").memoryLane("v128.store64_lane", offset, 0);
      b.release(packed);
    }
  }

  #storeLaneByLane(element: ElementType, address: Node, offset: number, value: Node): void {
    const b = this.#kernel.builder;
    const lanes = b.local("v128");
    this.emit(value);
    b.set(lanes);
    for (let lane = 0; lane < laneCount; lane++) {
      this.emitLane(address, lane);
      b.get(lanes).lane(value.type === "f32" ? "f32x4.extract_lane" : "i32x4.extract_lane", lane);
      if (value.type === "bool") b.i32(1).op("i32.and");
      emitStore(b, element, offset, this.#kernel.require);
    }
    b.release(lanes);
  }
}
