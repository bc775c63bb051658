/**
 * Emits statements over expressions into a function: one value at a time, or four lanes of one loop at a time.
 *
 * Equal subexpressions are computed once and kept in locals for as long as the scope they were computed in lasts;
 * before a loop, whatever in it does not depend on the loop is computed. In lane mode an expression is uniform or
 * varying: uniform ones stay scalar and are spread where they meet varying ones; a varying operation without a vector
 * instruction is done lane by lane. See lane-plan.ts for which loops get lanes.
 */
import { assert } from "../../base/index.ts";
import type { ElementType } from "../ir/element-type.ts";
import type { Expr } from "../ir/expression.ts";
import type { Accumulator, Stmt } from "../ir/kernel.ts";
import type { FunctionBuilder, Local } from "../wasm/function-builder.ts";
import { childrenOf, Interner, type Node, pointerVariable } from "./canonical.ts";
import { LaneEmitter } from "./lane-emitter.ts";
import { laneCount, planLanes } from "./lane-plan.ts";
import {
  emitBinary,
  emitBitcast,
  emitCast,
  emitCompare,
  emitConstant,
  emitDivideByConstant,
  emitLoad,
  emitStore,
  emitUnary,
  type RequireFunction,
  valueTypeOf,
} from "./scalar-operations.ts";

interface Scope {
  readonly kept: Map<number, { readonly local: Local; readonly reads: ReadonlySet<number> }>;
  readonly keptLanes: Map<number, { readonly local: Local; readonly reads: ReadonlySet<number> }>;
  readonly owned: Local[];
}

export interface EmitterContext {
  readonly builder: FunctionBuilder;
  /** Pointer to each buffer. */
  readonly pointers: readonly Local[];
  readonly elements: readonly ElementType[];
  readonly relaxed: boolean;
  readonly require: RequireFunction;
}

export class KernelEmitter {
  readonly builder: FunctionBuilder;
  readonly interner: Interner;
  readonly relaxed: boolean;
  readonly require: RequireFunction;
  readonly elements: readonly ElementType[];
  readonly #locals = new Map<number, Local>();
  readonly #scopes: Scope[] = [{ kept: new Map(), keptLanes: new Map(), owned: [] }];
  #depth = 0;
  #planned: ReadonlySet<number> = new Set();
  #lanes: LaneEmitter | undefined;

  constructor(context: EmitterContext) {
    this.builder = context.builder;
    this.relaxed = context.relaxed;
    this.require = context.require;
    this.elements = context.elements;
    this.interner = new Interner(context.elements);
    for (const [buffer, local] of context.pointers.entries()) this.#locals.set(pointerVariable(buffer), local);
  }

  /** Binds a variable that is set outside, before `run` or `lanes`. */
  bindLocal(variable: number, local: Local): void {
    this.interner.bind(variable, 0);
    this.#locals.set(variable, local);
  }

  /** Emits a kernel's statements, choosing loops for lanes. */
  run(statements: readonly Stmt[]): void {
    this.#bindAll(statements, 0);
    this.#planned = planLanes(this.interner, statements, this.elements);
    this.#statements(statements);
  }

  /** Emits statements for four lanes of a bound variable. */
  runLanes(statements: readonly Stmt[], laneVariable: number, varying: ReadonlyMap<number, Local>): void {
    for (const variable of varying.keys()) this.interner.bind(variable, 0);
    this.#bindAll(statements, 0);
    this.#withLanes(laneVariable, () => {
      for (const [variable, local] of varying) this.#lanes!.bind(variable, local);
      this.#statements(statements);
    });
  }

  /** Leaves four lanes of an expression on the stack, `variable` being a v128 local. */
  emitLanes(expr: Expr, variable: number, local: Local): void {
    this.interner.bind(variable, 0);
    this.#withLanes(Number.NaN, () => {
      this.#lanes!.bind(variable, local);
      this.#lanes!.emit(this.interner.node(expr));
    });
  }

  local(variable: number): Local {
    const local = this.#locals.get(variable);
    assert(local !== undefined, `variable ${variable} has no value yet`);
    return local;
  }

  #bindAll(statements: readonly Stmt[], depth: number): void {
    for (const one of statements) {
      switch (one.do) {
        case "for":
          this.interner.bind(one.index.id, depth + 1);
          this.#bindAll(one.body, depth + 1);
          break;
        case "reduce":
          this.interner.bind(one.index.id, depth + 1);
          for (const { target } of one.accumulators) this.interner.bind(target.id, depth);
          this.#bindAll(one.body, depth + 1);
          break;
        case "let":
          this.interner.bind(one.target.id, depth);
          break;
        case "assign":
          this.interner.bind(one.target.id, 0, true);
          break;
        case "if":
          this.#bindAll(one.then, depth + 1);
          this.#bindAll(one.otherwise, depth + 1);
          break;
        case "while":
          this.#bindAll(one.body, depth + 1);
          break;
        case "store":
          break;
      }
    }
  }

  #statements(statements: readonly Stmt[]): void {
    for (const one of statements) this.#statement(one);
  }

  #statement(one: Stmt): void {
    const b = this.builder;
    switch (one.do) {
      case "for":
        this.#for(one);
        return;
      case "reduce":
        this.#reduce(one);
        return;
      case "let": {
        const value = this.interner.node(one.value);
        if (this.#lanes?.isVarying(value)) {
          const local = this.#own(b.local("v128"));
          this.#lanes.emit(value);
          b.set(local);
          this.#lanes.bind(one.target.id, local);
          return;
        }
        const local = this.#own(b.local(valueTypeOf(one.target.type)));
        this.emit(value);
        b.set(local);
        this.#locals.set(one.target.id, local);
        return;
      }
      case "assign": {
        this.emit(this.interner.node(one.value));
        let local = this.#locals.get(one.target.id);
        if (!local) {
          local = b.local(valueTypeOf(one.target.type));
          this.#locals.set(one.target.id, local);
        }
        b.set(local);
        return;
      }
      case "store":
        this.#store(one);
        return;
      case "if":
        this.emit(this.interner.node(one.condition));
        b.if(
          () => this.#scoped(() => this.#statements(one.then)),
          one.otherwise.length > 0 ? () => this.#scoped(() => this.#statements(one.otherwise)) : undefined,
        );
        this.#forgetStored(one.then);
        this.#forgetStored(one.otherwise);
        return;
      case "while":
        this.#while(one);
    }
  }

  #store(one: Extract<Stmt, { do: "store" }>): void {
    const b = this.builder;
    const { address, offset } = this.interner.address(one.buffer, one.offset);
    const value = this.interner.node(one.value);
    const element = this.elements[one.buffer]!;
    if (this.#lanes) {
      this.#lanes.store(element, address, offset, value);
    } else {
      this.emit(address);
      this.emit(value);
      emitStore(b, element, offset, this.require);
    }
    this.#forget(one.buffer);
  }

  #while(one: Extract<Stmt, { do: "while" }>): void {
    const b = this.builder;
    this.#forgetStored(one.body);
    b.block((end) => {
      b.loop((head) => {
        this.#scoped(() => {
          this.emit(this.interner.node(one.condition));
          b.op("i32.eqz").branchIf(end);
          this.#statements(one.body);
          b.branch(head);
        });
      });
    });
    this.#forgetStored(one.body);
  }

  #for(one: Extract<Stmt, { do: "for" }>): void {
    const b = this.builder;
    this.#forgetStored(one.body);
    this.#hoist(one.body);
    const index = b.local("i32");
    this.#locals.set(one.index.id, index);
    const extent = this.interner.node(one.extent);
    const scalarBody = (): void => this.#scoped(() => this.#statements(one.body));
    if (extent.op === "const" && !this.#lanes && this.#planned.has(one.index.id)) {
      const count = extent.value as number;
      const whole = Math.floor(count / laneCount);
      this.#withLanes(one.index.id, () => {
        const lanes = (): void => this.#scoped(() => this.#statements(one.body));
        this.#scoped(() => b.countedLoop(index, 0, whole, laneCount, lanes), false);
      });
      this.#forgetStored(one.body);
      b.countedLoop(index, whole * laneCount, count - whole * laneCount, 1, scalarBody);
    } else this.#loop(index, extent, scalarBody);
    this.#forgetStored(one.body);
    b.release(index);
  }

  #loop(index: Local, extent: Node, body: () => void): void {
    const b = this.builder;
    if (extent.op === "const") {
      b.countedLoop(index, 0, extent.value as number, 1, body);
      return;
    }
    this.emit(extent);
    const end = b.local("i32");
    b.set(end).i32(0).set(index);
    b.block((out) => {
      b.get(end).i32(0).op("i32.le_s").branchIf(out);
      b.loop((head) => {
        body();
        b.get(index).i32(1).op("i32.add").tee(index).get(end).op("i32.ne").branchIf(head);
      });
    });
    b.release(end);
  }

  #reduce(one: Extract<Stmt, { do: "reduce" }>): void {
    const b = this.builder;
    this.#hoist(one.body, one.accumulators);
    const index = b.local("i32");
    this.#locals.set(one.index.id, index);
    const extent = this.interner.node(one.extent);
    if (!this.#lanes && this.#planned.has(one.index.id) && extent.op === "const") {
      this.#reduceByLanes(one, index, extent.value as number);
      b.release(index);
      return;
    }
    const varying = this.#lanes?.varyingAccumulators(one) ?? new Set<number>();
    for (const accumulator of one.accumulators) this.#startAccumulator(accumulator, varying.has(accumulator.target.id));
    this.#loop(index, extent, () =>
      this.#scoped(() => {
        this.#statements(one.body);
        for (const accumulator of one.accumulators) this.#accumulate(accumulator, varying.has(accumulator.target.id));
      }),
    );
    b.release(index);
  }

  #startAccumulator({ target, init }: Accumulator, inLanes: boolean): void {
    const b = this.builder;
    const local = this.#own(b.local(inLanes ? "v128" : valueTypeOf(target.type)));
    if (inLanes) {
      this.#lanes!.emit(this.interner.node(init));
      b.set(local);
      this.#lanes!.bind(target.id, local);
    } else {
      this.emit(this.interner.node(init));
      b.set(local);
      this.#locals.set(target.id, local);
    }
  }

  #accumulate({ target, fn, value }: Accumulator, inLanes: boolean): void {
    const b = this.builder;
    const node = this.interner.node(value);
    if (inLanes) {
      this.#lanes!.accumulate(target.id, fn, target.type, node);
      return;
    }
    const local = this.local(target.id);
    b.get(local);
    this.emit(node);
    emitBinary(b, fn, target.type, this.require);
    b.set(local);
  }

  /** A reduction along its own index: vector accumulators, folded at the end, the rest one by one. */
  #reduceByLanes(one: Extract<Stmt, { do: "reduce" }>, index: Local, count: number): void {
    const b = this.builder;
    const whole = Math.floor(count / laneCount);
    for (const accumulator of one.accumulators) this.#startAccumulator(accumulator, false);
    this.#scoped(() => {
      const folded: { accumulator: Accumulator; local: Local }[] = [];
      this.#withLanes(one.index.id, () => {
        for (const accumulator of one.accumulators) {
          this.#startAccumulator(accumulator, true);
          folded.push({ accumulator, local: this.#lanes!.boundLocal(accumulator.target.id) });
        }
        b.countedLoop(index, 0, whole, laneCount, () =>
          this.#scoped(() => {
            this.#statements(one.body);
            for (const accumulator of one.accumulators) this.#accumulate(accumulator, true);
          }),
        );
      });
      for (const { accumulator, local } of folded) this.#fold(accumulator, local);
    }, false);
    b.countedLoop(index, whole * laneCount, count - whole * laneCount, 1, () =>
      this.#scoped(() => {
        this.#statements(one.body);
        for (const accumulator of one.accumulators) this.#accumulate(accumulator, false);
      }),
    );
  }

  #fold({ target, fn }: Accumulator, lanes: Local): void {
    const b = this.builder;
    const local = this.local(target.id);
    for (let lane = 0; lane < laneCount; lane++) {
      b.get(local).get(lanes);
      b.lane(target.type === "f32" ? "f32x4.extract_lane" : "i32x4.extract_lane", lane);
      if (target.type === "bool") b.i32(1).op("i32.and");
      emitBinary(b, fn, target.type, this.require);
      b.set(local);
    }
  }

  #withLanes(variable: number, body: () => void): void {
    const before = this.#lanes;
    this.#lanes = new LaneEmitter(this, variable);
    body();
    this.#lanes = before;
  }

  /** Leaves a node's value on the stack. */
  emit(node: Node): void {
    const b = this.builder;
    if (node.op === "const") {
      emitConstant(b, node.type, node.value);
      return;
    }
    if (node.op === "var") {
      b.get(this.local(node.variable));
      return;
    }
    const kept = this.#lookup(node.id);
    if (kept) {
      b.get(kept);
      return;
    }
    this.emitOperation(node, (child) => this.emit(child));
    if (node.uses > 1 && !node.volatile && !(this.#lanes?.isVarying(node) ?? false)) this.#keep(node, true);
  }

  /** One operation, its operands given by `operand`. */
  emitOperation(node: Node, operand: (child: Node) => void): void {
    const b = this.builder;
    switch (node.op) {
      case "load":
        operand(node.address);
        emitLoad(b, node.element, node.offset, this.require);
        return;
      case "unary":
        operand(node.a);
        emitUnary(b, node.fn, node.type, this.require);
        return;
      case "binary":
        this.#binary(node, operand);
        return;
      case "compare":
        operand(node.a);
        operand(node.b);
        emitCompare(b, node.fn, node.a.type);
        return;
      case "select":
        operand(node.a);
        operand(node.b);
        operand(node.condition);
        b.op("select");
        return;
      case "cast":
        operand(node.a);
        emitCast(b, node.type, node.a.type);
        return;
      case "bitcast":
        operand(node.a);
        emitBitcast(b, node.type);
        return;
      default:
        assert(false, `${node.op} is no operation`);
    }
  }

  #binary(node: Extract<Node, { op: "binary" }>, operand: (child: Node) => void): void {
    const b = this.builder;
    const { fn, type } = node;
    const divisor = node.b.op === "const" ? Number(node.b.value) : 0;
    operand(node.a);
    if (fn === "pow" && (type === "f32" || type === "f64") && divisor === 2) {
      const local = b.local(valueTypeOf(type));
      b.tee(local).get(local).op(`${type}.mul`);
      b.release(local);
      return;
    }
    if ((fn === "div" || fn === "rem") && type !== "f32" && type !== "f64" && divisor !== 0 && divisor !== -1) {
      operand(node.b);
      emitDivideByConstant(b, fn, type);
      return;
    }
    operand(node.b);
    emitBinary(b, fn, type, this.require);
  }

  keptLanes(node: Node): Local | undefined {
    for (let scope = this.#scopes.length - 1; scope >= 0; scope--) {
      const found = this.#scopes[scope]!.keptLanes.get(node.id);
      if (found) return found.local;
    }
    return undefined;
  }

  /** Keeps the v128 on the stack as the node's lanes, leaving it there. */
  keepLanes(node: Node): void {
    const local = this.#own(this.builder.local("v128"));
    this.builder.tee(local);
    this.#scopes.at(-1)!.keptLanes.set(node.id, { local, reads: node.reads });
  }

  #lookup(id: number): Local | undefined {
    for (let scope = this.#scopes.length - 1; scope >= 0; scope--) {
      const found = this.#scopes[scope]!.kept.get(id);
      if (found) return found.local;
    }
    return undefined;
  }

  #keep(node: Node, leave: boolean): void {
    const local = this.#own(this.builder.local(valueTypeOf(node.type)));
    if (leave) this.builder.tee(local);
    else this.builder.set(local);
    this.#scopes.at(-1)!.kept.set(node.id, { local, reads: node.reads });
  }

  #own(local: Local): Local {
    this.#scopes.at(-1)!.owned.push(local);
    return local;
  }

  /** A scope in which computed values are kept; `deeper` where it is the body of a loop or branch. */
  #scoped(body: () => void, deeper = true): void {
    this.#scopes.push({ kept: new Map(), keptLanes: new Map(), owned: [] });
    if (deeper) this.#depth++;
    body();
    if (deeper) this.#depth--;
    this.builder.release(...this.#scopes.pop()!.owned);
  }

  #forget(buffer: number): void {
    for (const { kept, keptLanes } of this.#scopes) {
      for (const map of [kept, keptLanes]) for (const [id, { reads }] of map) if (reads.has(buffer)) map.delete(id);
    }
  }

  #forgetStored(statements: readonly Stmt[]): void {
    for (const buffer of storedIn(statements)) this.#forget(buffer);
  }

  /** Computes, before a loop, what its statements need that does not depend on it. */
  #hoist(body: readonly Stmt[], accumulators: readonly Accumulator[] = []): void {
    const depth = this.#depth;
    const stored = storedIn(body);
    const seen = new Set<number>();
    const visit = (node: Node, always: boolean): void => {
      if (node.op === "const" || node.op === "var" || seen.has(node.id)) return;
      seen.add(node.id);
      const readable = node.reads.size === 0 || (always && ![...node.reads].some((buffer) => stored.has(buffer)));
      const uniform = !(this.#lanes?.isVarying(node) ?? false);
      if (node.depth <= depth && !node.volatile && readable && uniform) {
        if (this.#lookup(node.id)) return;
        this.emit(node);
        if (this.#lookup(node.id)) this.builder.op("drop");
        else this.#keep(node, false);
        return;
      }
      for (const child of childrenOf(node)) visit(child, always);
    };
    for (const { value } of accumulators) visit(this.interner.node(value), true);
    this.#visitRoots(body, true, visit);
  }

  #visitRoots(statements: readonly Stmt[], always: boolean, visit: (node: Node, always: boolean) => void): void {
    for (const one of statements) {
      switch (one.do) {
        case "for":
        case "reduce": {
          visit(this.interner.node(one.extent), always);
          const runs = one.extent.op === "const" && (one.extent.value as number) > 0;
          this.#visitRoots(one.body, always && runs, visit);
          if (one.do === "reduce")
            for (const { value } of one.accumulators) visit(this.interner.node(value), always && runs);
          break;
        }
        case "let":
          visit(this.interner.node(one.value), always);
          break;
        case "assign":
          visit(this.interner.node(one.value), always);
          break;
        case "store":
          visit(this.interner.node(one.value), always);
          visit(this.interner.address(one.buffer, one.offset).address, always);
          break;
        case "if":
          visit(this.interner.node(one.condition), always);
          this.#visitRoots(one.then, false, visit);
          this.#visitRoots(one.otherwise, false, visit);
          break;
        case "while":
          visit(this.interner.node(one.condition), always);
          this.#visitRoots(one.body, false, visit);
      }
    }
  }
}

function storedIn(statements: readonly Stmt[]): Set<number> {
  const stored = new Set<number>();
  for (const one of statements) {
    if (one.do === "store") stored.add(one.buffer);
    const inner = one.do === "if" ? [...one.then, ...one.otherwise] : "body" in one ? one.body : [];
    for (const buffer of storedIn(inner)) stored.add(buffer);
  }
  return stored;
}
