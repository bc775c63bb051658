/**
 * Turns a unit's graph into the program the code generator compiles: fused where fusion pays.
 *
 * A value lives in memory only where it must: it leaves the unit, a contraction reads it, or a loop nest makes it and
 * something other than its tail reads it. Maps are otherwise expanded where they are read. The *tail* of a contraction
 * or loop nest are the elementwise maps after it with the same shape: they are computed on each result before it is
 * stored (the epilogue). With `fuse: false` every value lives in memory and every operator stands alone: the program
 * the eager printer reads, in which nothing of the above can go wrong.
 */
import { assert, HoldfastError } from "../../base/index.ts";
import { packingOf } from "../contraction/packing.ts";
import { absent, type Graph, type GraphNode } from "../graph/graph.ts";
import { elementCount, sameShape } from "../ir/element-type.ts";
import type { Expr, VarExpr } from "../ir/expression.ts";
import { type BufferDeclaration, type Kernel, KernelBuilder, type Stmt, type UnitProgram } from "../ir/kernel.ts";
import { linearize } from "../operators/broadcast.ts";
import { OperatorContext } from "../operators/context.ts";
import type { Lowering, TensorSink, TensorView } from "../operators/definition.ts";
import { findOperator } from "../operators/registry.ts";
import { aliasView, computedView, pinnedView } from "./fused-views.ts";
import { bufferScratch, bufferView, constantView } from "./views.ts";

export interface UnitGraph {
  readonly graph: Graph;
  /** Those of the graph's inputs whose contents are known at link time. */
  readonly weights: ReadonlySet<number>;
}

export function lowerUnit(unit: UnitGraph, options: { readonly fuse: boolean }): UnitProgram {
  return new UnitLowering(unit, options.fuse).run();
}

/** The lowering of one node of a graph whose types are known. */
export function loweringOf(graph: Graph, node: GraphNode): Lowering {
  const definition = findOperator(node.domain, node.operator, node.version);
  if (!definition) {
    throw new HoldfastError("TENSOR_UNSUPPORTED_OPERATOR", `no definition of ${node.operator} version ${node.version}`);
  }
  return definition.lower(new OperatorContext(node, graph.values, true));
}

/** What a kernel stores besides, or instead of, its own result. */
interface Tail {
  /** Values computed from the result, in topological order, the result first. */
  readonly members: ReadonlySet<number>;
  /** Those of them that live in memory. */
  readonly stored: readonly number[];
}

class UnitLowering {
  readonly #graph: Graph;
  readonly #fuse: boolean;
  readonly #weights: ReadonlySet<number>;
  readonly #lowerings: readonly Lowering[];
  readonly #producer = new Map<number, number>();
  readonly #consumers = new Map<number, number[]>();
  readonly #buffers: BufferDeclaration[] = [];
  readonly #bufferOf = new Map<number, number>();
  readonly #inMemory = new Set<number>();
  readonly #stored = new Set<number>();
  readonly #views = new Map<number, TensorView>();
  readonly #build = new KernelBuilder();
  readonly #kernels: Kernel[] = [];

  constructor(unit: UnitGraph, fuse: boolean) {
    this.#graph = unit.graph;
    this.#fuse = fuse;
    this.#weights = unit.weights;
    this.#lowerings = unit.graph.nodes.map((node) => loweringOf(unit.graph, node));
    for (const [position, node] of unit.graph.nodes.entries()) {
      for (const id of node.outputs) if (id !== absent) this.#producer.set(id, position);
      for (const id of new Set(node.inputs)) {
        if (id === absent) continue;
        const list = this.#consumers.get(id) ?? [];
        list.push(position);
        this.#consumers.set(id, list);
      }
    }
  }

  run(): UnitProgram {
    const { inputs, outputs, nodes, values } = this.#graph;
    for (const id of inputs) if (!this.#weights.has(id)) this.#declare(id, "input");
    for (const id of inputs) if (this.#weights.has(id)) this.#declare(id, "weight");
    for (const id of outputs) {
      assert(this.#producer.has(id), "a unit's output is made by one of its nodes");
      this.#declare(id, "output");
      this.#inMemory.add(id);
    }
    if (!this.#fuse) for (const value of values) if (this.#producer.has(value.id)) this.#inMemory.add(value.id);
    for (const [position, node] of nodes.entries()) this.#requireOperands(position, node);
    for (const [position, node] of nodes.entries()) this.#emit(position, node);
    return { buffers: this.#buffers, kernels: this.#kernels };
  }

  #declare(value: number, role: BufferDeclaration["role"]): number {
    const known = this.#bufferOf.get(value);
    if (known !== undefined) return known;
    const { type, shape } = this.#graph.values[value]!;
    const id = this.#buffers.length;
    this.#buffers.push({ id, type, count: elementCount(shape), role });
    this.#bufferOf.set(value, id);
    return id;
  }

  /** A contraction reads memory: what it reads must live there. */
  #requireOperands(position: number, node: GraphNode): void {
    const lowering = this.#lowerings[position]!;
    if (lowering.form !== "contraction") return;
    for (const operand of lowering.operands) {
      const root = this.#aliasRoot(node.inputs[operand]!);
      if (this.#producer.has(root)) this.#inMemory.add(root);
    }
  }

  #aliasRoot(value: number): number {
    const position = this.#producer.get(value);
    if (position === undefined || this.#inMemory.has(value)) return value;
    if (this.#lowerings[position]!.form !== "alias") return value;
    return this.#aliasRoot(this.#graph.nodes[position]!.inputs[0]!);
  }

  #emit(position: number, node: GraphNode): void {
    const lowering = this.#lowerings[position]!;
    if (lowering.form === "map" || lowering.form === "alias") {
      for (const id of node.outputs) if (this.#inMemory.has(id) && !this.#stored.has(id)) this.#emitMap(id);
      return;
    }
    const real = node.outputs.filter((id) => id !== absent);
    const tail = real.length === 1 && this.#fuse ? this.#tailOf(real[0]!, position) : undefined;
    for (const id of real) {
      if (!tail || tail.stored.includes(id)) this.#inMemory.add(id);
    }
    for (const id of tail?.stored ?? real) {
      this.#inMemory.add(id);
      this.#declare(id, "scratch");
    }
    if (lowering.form === "contraction") this.#emitContraction(node, lowering, tail);
    else this.#emitLoops(node, lowering, tail);
    for (const id of tail?.stored ?? real) {
      this.#stored.add(id);
      this.#views.delete(id);
    }
  }

  /** A value that is a map or an alias, written to memory by loops of its own. */
  #emitMap(id: number): void {
    const value = this.#graph.values[id]!;
    const view = this.#expression(id);
    const buffer = this.#declare(id, "scratch");
    const flat = this.#flatView(id);
    const body = flat
      ? [
          this.#build.each(elementCount(value.shape), (offset) => [
            { do: "store", buffer, offset, value: flat(offset) },
          ]),
        ]
      : this.#build.eachIndex(value.shape, (index) => this.#sink(id).store(index, view.at(index)));
    this.#kernels.push({ kind: "loops", body });
    this.#stored.add(id);
    this.#views.delete(id);
  }

  /**
   * For a value made by elementwise maps alone over tensors of its own shape or single elements: the element at a
   * row-major offset, so that one loop does instead of a nest.
   */
  #flatView(id: number): ((offset: Expr) => Expr) | undefined {
    const { shape } = this.#graph.values[id]!;
    const flatten = (value: number, top: boolean): ((offset: Expr) => Expr) | undefined => {
      const its = this.#graph.values[value]!;
      const position = this.#producer.get(value);
      const expand = position !== undefined && (top || !this.#stored.has(value));
      if (expand) {
        const lowering = this.#lowerings[position]!;
        const node = this.#graph.nodes[position]!;
        if (lowering.form === "alias") return flatten(node.inputs[0]!, false);
        if (lowering.form !== "map" || !lowering.elementwise || node.outputs.length !== 1) return undefined;
        if (!sameShape(its.shape, shape)) return undefined;
        const parts = node.inputs.map((input) => (input === absent ? undefined : flatten(input, false)));
        if (node.inputs.some((input, place) => input !== absent && !parts[place])) return undefined;
        const memo = new Map<Expr, Expr>();
        return (offset) => {
          const known = memo.get(offset);
          if (known) return known;
          const pinned = node.inputs.map((input, place) =>
            input === absent ? undefined : pinnedView(this.#graph.values[input]!, parts[place]!(offset)),
          );
          const placeholder = its.shape.map(() => offset);
          const result = computedView(its, () => lowering.at(placeholder, pinned, 0)).at(placeholder);
          memo.set(offset, result);
          return result;
        };
      }
      const view = this.#view(value);
      if (elementCount(its.shape) === 1) return () => view.atOffset({ op: "const", type: "i32", value: 0 });
      return elementCount(its.shape) === elementCount(shape) ? (offset) => view.atOffset(offset) : undefined;
    };
    return flatten(id, true);
  }

  #emitContraction(
    node: GraphNode,
    lowering: Extract<Lowering, { form: "contraction" }>,
    tail: Tail | undefined,
  ): void {
    const [first, second] = lowering.operands.map((operand) => this.#operandBuffer(node.inputs[operand]!));
    const contraction = lowering.describe(first!, second!);
    if (this.#fuse) this.#pack(node, lowering.operands, contraction);
    const output = node.outputs[0]!;
    const indices = this.#graph.values[output]!.shape.map(() => this.#build.variable("i32"));
    const result = this.#build.variable("f32");
    const inputs = node.inputs.map((id) => (id === absent ? undefined : this.#view(id)));
    const finished = lowering.finish ? lowering.finish(result, indices, inputs) : result;
    const body = this.#storeWithTail(output, indices, finished, tail);
    this.#kernels.push({ kind: "contraction", contraction, epilogue: { indices, result, body } });
  }

  /** Weights are packed for the contraction that reads them, unless something else reads them too. */
  #pack(node: GraphNode, operands: readonly [number, number], contraction: Parameters<typeof packingOf>[0]): void {
    const roles = operands.map((operand) => {
      const root = this.#aliasRoot(node.inputs[operand]!);
      const alone = node.inputs.filter((id) => id !== absent && this.#aliasRoot(id) === root).length === 1;
      const others = this.#graph.nodes.some(
        (other) => other !== node && other.inputs.some((id) => id !== absent && this.#aliasRoot(id) === root),
      );
      return this.#weights.has(root) && alone && !others ? "weight" : "input";
    }) as ["weight" | "input", "weight" | "input"];
    if (roles[1] !== "weight") return;
    const packing = packingOf(contraction, roles);
    const buffer = this.#operandBuffer(node.inputs[operands[1]]!);
    if (packing) this.#buffers[buffer] = { ...this.#buffers[buffer]!, packing };
  }

  #operandBuffer(value: number): number {
    const buffer = this.#bufferOf.get(this.#aliasRoot(value));
    assert(buffer !== undefined, `operand ${value} lives in no buffer`);
    return buffer;
  }

  #emitLoops(node: GraphNode, lowering: Extract<Lowering, { form: "loops" }>, tail: Tail | undefined): void {
    const body = lowering.emit({
      inputs: node.inputs.map((id) => (id === absent ? undefined : this.#view(id))),
      outputs: node.outputs.map((id) => (id === absent ? undefined : this.#sink(id, tail))),
      build: this.#build,
      scratch: (type, count) => {
        const id = this.#buffers.length;
        const declaration: BufferDeclaration = { id, type, count, role: "scratch" };
        this.#buffers.push(declaration);
        return bufferScratch(declaration);
      },
    });
    this.#kernels.push({ kind: "loops", body });
  }

  #sink(id: number, tail?: Tail): TensorSink {
    const { type, shape } = this.#graph.values[id]!;
    return { type, shape, store: (index, value) => this.#storeWithTail(id, index, value, tail) };
  }

  /** Stores a result and what its tail makes of it. */
  #storeWithTail(id: number, index: readonly Expr[], value: Expr, tail: Tail | undefined): Stmt[] {
    if (!tail || tail.members.size === 1) return [this.#store(id, index, value)];
    const target: VarExpr = this.#build.variable(value.type);
    const statements: Stmt[] = [{ do: "let", target, value }];
    const pinned = new Map<number, TensorView>([[id, pinnedView(this.#graph.values[id]!, target)]]);
    for (const member of tail.members) {
      if (member === id) continue;
      pinned.set(member, pinnedView(this.#graph.values[member]!, this.#expression(member, pinned).at(index)));
    }
    for (const member of tail.stored) statements.push(this.#store(member, index, pinned.get(member)!.at(index)));
    return statements;
  }

  #store(id: number, index: readonly Expr[], value: Expr): Stmt {
    const { shape } = this.#graph.values[id]!;
    const buffer = this.#declare(id, "scratch");
    return { do: "store", buffer, offset: linearize(index, shape), value };
  }

  /** The elementwise maps that follow a result, and which of their values must be stored. */
  #tailOf(root: number, position: number): Tail {
    const { nodes, values, outputs } = this.#graph;
    const { shape } = values[root]!;
    const members = new Set([root]);
    const inTail = new Set<number>();
    for (let next = position + 1; next < nodes.length; next++) {
      const node = nodes[next]!;
      const lowering = this.#lowerings[next]!;
      if (lowering.form !== "map" || !lowering.elementwise || node.outputs.length !== 1) continue;
      if (!node.inputs.some((id) => members.has(id)) || !sameShape(values[node.outputs[0]!]!.shape, shape)) continue;
      if (!node.inputs.every((id) => id === absent || this.#available(id, members, position))) continue;
      members.add(node.outputs[0]!);
      inTail.add(next);
    }
    const stored = [...members].filter(
      (id) =>
        outputs.includes(id) ||
        this.#inMemory.has(id) ||
        (this.#consumers.get(id) ?? []).some((consumer) => !inTail.has(consumer)),
    );
    return { members, stored };
  }

  /** Whether a value can be read before any later kernel has run. */
  #available(id: number, members: ReadonlySet<number>, position: number): boolean {
    if (members.has(id) || this.#stored.has(id)) return true;
    const producer = this.#producer.get(id);
    if (producer === undefined) return true;
    const { form } = this.#lowerings[producer]!;
    if ((form !== "map" && form !== "alias") || this.#inMemory.has(id)) return false;
    return this.#graph.nodes[producer]!.inputs.every((input) => {
      // A map over a member would read it at another index than the one at hand.
      return input === absent || (!members.has(input) && this.#available(input, members, position));
    });
  }

  #view(id: number): TensorView {
    const known = this.#views.get(id);
    if (known) return known;
    const value = this.#graph.values[id]!;
    const buffer = this.#bufferOf.get(id);
    let view: TensorView;
    if (buffer !== undefined && (!this.#producer.has(id) || this.#stored.has(id))) {
      view = bufferView(this.#buffers[buffer]!, value.shape);
    } else if (value.constant && !this.#producer.has(id)) {
      view = constantView(value.constant);
    } else {
      view = this.#expression(id);
    }
    this.#views.set(id, view);
    return view;
  }

  /** A map's or alias's value as an expression of what its node reads. */
  #expression(id: number, pinned?: ReadonlyMap<number, TensorView>): TensorView {
    const position = this.#producer.get(id);
    assert(position !== undefined, `value ${id} is made by no node`);
    const node = this.#graph.nodes[position]!;
    const lowering = this.#lowerings[position]!;
    const value = this.#graph.values[id]!;
    const input = (place: number): TensorView => pinned?.get(place) ?? this.#view(place);
    if (lowering.form === "alias") return aliasView(value, input(node.inputs[0]!));
    assert(lowering.form === "map", `value ${id} is read before it is computed`);
    const inputs = node.inputs.map((place) => (place === absent ? undefined : input(place)));
    const output = node.outputs.indexOf(id);
    return computedView(value, (index) => lowering.at(index, inputs, output));
  }
}
