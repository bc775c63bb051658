/**
 * Cuts a graph into units: what is compiled, validated, cached and, if need be, falls back to eager by itself.
 *
 * A contraction or loop nest takes the elementwise maps behind it (its tail) with it; maps read by one reader alone are
 * computed there; what is left of maps forms units of its own. No cut makes two units need each other: before a node
 * joins a group, the groups it also reads from must not depend on that group. Aliases belong to no unit: they name the
 * same memory. A unit's graph carries no names or contents of the model (but small ones that decide about shapes), so
 * equal work hashes equal, within a model and across models.
 */
import { assert } from "../../base/index.ts";
import { consumersOf, producersOf } from "../graph/editor.ts";
import { absent, type Graph, type GraphNode, type GraphValue } from "../graph/graph.ts";
import { elementCount, sameShape } from "../ir/element-type.ts";
import { loweringOf, type UnitGraph } from "../lower/unit.ts";
import type { Lowering } from "../operators/definition.ts";

export interface PlannedUnit extends UnitGraph {
  /** Operators joined by "+", for people. */
  readonly name: string;
  /** For each of the unit graph's inputs, the value of the whole graph it reads. */
  readonly inputs: readonly number[];
  /** For each of the unit graph's outputs, the value of the whole graph it makes. */
  readonly outputs: readonly number[];
  /** Names of the nodes inside, as the model has them. */
  readonly nodes: readonly string[];
}

export interface Partition {
  readonly graph: Graph;
  /** In an order in which they can run. */
  readonly units: readonly PlannedUnit[];
  /** Alias value -> the value whose memory it names. */
  readonly aliasOf: ReadonlyMap<number, number>;
}

const nodesPerUnitLimit = 48;

/** Loop operators that read each input element a few times at most, so that computing it there costs little. */
const readsOnce = /^(Reduce|Arg(Max|Min)$|Softmax$|LogSoftmax$|GlobalAveragePool$)/;

export function partition(graph: Graph): Partition {
  return new Partitioner(graph).run();
}

class Partitioner {
  readonly #graph: Graph;
  readonly #lowerings: readonly Lowering[];
  readonly #producers: Map<number, number>;
  readonly #consumers: Map<number, number[]>;
  readonly #aliasOf = new Map<number, number>();
  /** Node position -> group. */
  readonly #groupOf: number[] = [];
  readonly #members = new Map<number, number[]>();
  /** Group -> the value its tail grows from, for groups that have a contraction or loop nest. */
  readonly #rootValue = new Map<number, number>();
  /** Group -> values computed where the root's result is. */
  readonly #tails = new Map<number, Set<number>>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#lowerings = graph.nodes.map((node) => loweringOf(graph, node));
    this.#producers = producersOf(graph);
    this.#consumers = consumersOf(graph);
  }

  run(): Partition {
    for (const [position, node] of this.#graph.nodes.entries()) {
      const lowering = this.#lowerings[position]!;
      if (lowering.form === "alias") {
        const source = node.inputs[0]!;
        this.#aliasOf.set(node.outputs[0]!, this.#aliasOf.get(source) ?? source);
      } else if (lowering.form === "map") {
        this.#placeMap(position, node, lowering.elementwise);
      } else {
        this.#placeRoot(position, node, lowering.form);
      }
    }
    const order = this.#order();
    return { graph: this.#graph, units: order.map((group) => this.#unit(group)), aliasOf: this.#aliasOf };
  }

  #placeRoot(position: number, node: GraphNode, form: "contraction" | "loops"): void {
    this.#newGroup(position);
    const real = node.outputs.filter((id) => id !== absent);
    if (real.length === 1) {
      this.#rootValue.set(position, real[0]!);
      this.#tails.set(position, new Set(real));
    }
    if (form === "loops" && readsOnce.test(node.operator)) this.#takeProducers(position, node);
  }

  #placeMap(position: number, node: GraphNode, elementwise: boolean): void {
    if (elementwise && node.outputs.length === 1 && this.#joinTail(position, node)) return;
    this.#newGroup(position);
    this.#takeProducers(position, node);
  }

  #newGroup(position: number): void {
    this.#groupOf[position] = position;
    this.#members.set(position, [position]);
  }

  /** Puts a map behind the latest root whose result it reads at its own index. */
  #joinTail(position: number, node: GraphNode): boolean {
    const output = this.#graph.values[node.outputs[0]!]!;
    const candidates = new Set<number>();
    for (const id of node.inputs) {
      const group = id === absent ? undefined : this.#groupMaking(id);
      if (group === undefined || !this.#tails.get(group)?.has(id)) continue;
      if (sameShape(this.#graph.values[this.#rootValue.get(group)!]!.shape, output.shape)) candidates.add(group);
    }
    for (const group of [...candidates].sort((a, b) => b - a)) {
      if (this.#members.get(group)!.length >= nodesPerUnitLimit || !this.#canJoin(node, group)) continue;
      this.#groupOf[position] = group;
      this.#members.get(group)!.push(position);
      this.#tails.get(group)!.add(output.id);
      this.#takeProducers(position, node, group);
      return true;
    }
    return false;
  }

  /** Merges groups of maps that only this node reads into the node's group. */
  #takeProducers(position: number, node: GraphNode, into: number = position): void {
    for (const id of node.inputs) {
      const group = id === absent || this.#aliasOf.has(id) ? undefined : this.#groupMaking(id);
      if (group === undefined || group === into || this.#tails.has(group) || !this.#isMapGroup(group)) continue;
      if (this.#graph.outputs.includes(id) || this.#readers(id).some((reader) => reader !== position)) continue;
      const moved = this.#members.get(group)!;
      if (moved.length + this.#members.get(into)!.length > nodesPerUnitLimit) continue;
      if (
        moved.some((member) =>
          this.#graph.nodes[member]!.outputs.some((out) => out !== id && this.#escapes(out, group)),
        )
      ) {
        continue;
      }
      if (moved.some((member) => !this.#canJoin(this.#graph.nodes[member]!, into, group))) continue;
      for (const member of moved) this.#groupOf[member] = into;
      this.#members.get(into)!.push(...moved);
      this.#members.delete(group);
    }
  }

  #isMapGroup(group: number): boolean {
    return this.#members.get(group)!.every((member) => this.#lowerings[member]!.form === "map");
  }

  /** Readers of a value; an alias counts as one, and belongs to no group. */
  #readers(id: number): readonly number[] {
    return this.#consumers.get(id) ?? [];
  }

  #escapes(id: number, group: number): boolean {
    return (
      id !== absent &&
      (this.#graph.outputs.includes(id) || this.#readers(id).some((reader) => this.#groupOf[reader] !== group))
    );
  }

  #groupMaking(id: number): number | undefined {
    const producer = this.#producers.get(this.#aliasOf.get(id) ?? id);
    return producer === undefined ? undefined : this.#groupOf[producer];
  }

  /** Whether what `node` reads from outside `group` (and `also`) is independent of `group`. */
  #canJoin(node: GraphNode, group: number, also?: number): boolean {
    return node.inputs.every((id) => {
      const other = id === absent ? undefined : this.#groupMaking(id);
      // An alias of what the group itself makes would be an input of the unit that made it.
      if (this.#aliasOf.has(id) && (other === group || other === also)) return false;
      if (other === undefined || other === group || other === also) return true;
      return !this.#dependsOn(other, group);
    });
  }

  #dependsOn(from: number, target: number): boolean {
    const seen = new Set<number>();
    const pending = [from];
    while (pending.length > 0) {
      const group = pending.pop()!;
      if (group === target) return true;
      if (seen.has(group)) continue;
      seen.add(group);
      for (const needed of this.#needs(group)) pending.push(needed);
    }
    return false;
  }

  #needs(group: number): Set<number> {
    const needed = new Set<number>();
    for (const member of this.#members.get(group)!) {
      for (const id of this.#graph.nodes[member]!.inputs) {
        const other = id === absent ? undefined : this.#groupMaking(id);
        if (other !== undefined && other !== group) needed.add(other);
      }
    }
    return needed;
  }

  /** Groups so that each comes after what it needs; among those that can run, the one whose node comes first. */
  #order(): number[] {
    const waiting = new Map([...this.#members.keys()].map((group) => [group, this.#needs(group)]));
    const order: number[] = [];
    while (waiting.size > 0) {
      let next: number | undefined;
      for (const [group, needed] of waiting)
        if (needed.size === 0 && (next === undefined || group < next)) next = group;
      assert(next !== undefined, "units need each other");
      order.push(next);
      waiting.delete(next);
      for (const needed of waiting.values()) needed.delete(next);
    }
    return order;
  }

  #unit(group: number): PlannedUnit {
    const positions = [...this.#members.get(group)!].sort((a, b) => a - b);
    return new UnitExtractor(this.#graph, this.#lowerings, positions, (id) => this.#escapes(id, group)).extract();
  }
}

/** Copies some nodes of a graph out into a graph of their own. */
class UnitExtractor {
  readonly #graph: Graph;
  readonly #lowerings: readonly Lowering[];
  readonly #positions: readonly number[];
  readonly #leaves: (id: number) => boolean;
  readonly #values: GraphValue[] = [];
  readonly #local = new Map<number, number>();
  readonly #inputs: number[] = [];
  readonly #weights = new Set<number>();

  constructor(
    graph: Graph,
    lowerings: readonly Lowering[],
    positions: readonly number[],
    leaves: (id: number) => boolean,
  ) {
    this.#graph = graph;
    this.#lowerings = lowerings;
    this.#positions = positions;
    this.#leaves = leaves;
  }

  extract(): PlannedUnit {
    const originals = this.#positions.map((position) => this.#graph.nodes[position]!);
    const made = new Set(originals.flatMap((node) => node.outputs));
    for (const [place, node] of originals.entries())
      this.#takeInputs(node, this.#lowerings[this.#positions[place]!]!, made);
    const nodes = originals.map((node, place) => ({
      ...node,
      name: `n${place}`,
      outputs: node.outputs.map((id) => (id === absent ? id : this.#add(id, false))),
      inputs: node.inputs,
    }));
    const finished = nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map((id) => (id === absent ? id : this.#local.get(id)!)),
    }));
    const outputs = [...made].filter((id) => id !== absent && this.#leaves(id));
    const localInputs = this.#inputs.map((id) => this.#local.get(id)!);
    return {
      name: nameOf(originals),
      graph: {
        name: "unit",
        values: this.#values,
        nodes: finished,
        inputs: localInputs,
        outputs: outputs.map((id) => this.#local.get(id)!),
      },
      weights: this.#weights,
      inputs: this.#inputs,
      outputs,
      nodes: originals.map((node) => node.name),
    };
  }

  #takeInputs(node: GraphNode, lowering: Lowering, made: ReadonlySet<number>): void {
    const operands = lowering.form === "contraction" ? lowering.operands.map((operand) => node.inputs[operand]!) : [];
    for (const id of node.inputs) {
      if (id === absent || made.has(id)) continue;
      const { constant, shape } = this.#graph.values[id]!;
      const inMemory = !constant || elementCount(shape) !== 1 || operands.includes(id);
      if (this.#local.has(id)) {
        if (inMemory && !this.#inputs.includes(id)) this.#inputs.push(id);
        continue;
      }
      const local = this.#add(id, constant !== undefined && decidesShapes(constant.type, elementCount(shape)));
      if (!inMemory) continue;
      this.#inputs.push(id);
      if (constant) this.#weights.add(local);
    }
  }

  #add(id: number, withContents: boolean): number {
    const known = this.#local.get(id);
    if (known !== undefined) return known;
    const { type, shape, constant } = this.#graph.values[id]!;
    const local = this.#values.length;
    this.#values.push({ id: local, name: `v${local}`, type, shape, ...(withContents && constant ? { constant } : {}) });
    this.#local.set(id, local);
    return local;
  }
}

/** Contents that may be shapes, axes, pads or scales stay with the unit; what else is large is a weight. */
function decidesShapes(type: GraphValue["type"], count: number): boolean {
  return count === 1 || (type === "int64" ? count <= 64 : count <= 8);
}

function nameOf(nodes: readonly GraphNode[]): string {
  const names = nodes.map((node) => (node.operator === "ConvolutionChannelsLast" ? "Conv" : node.operator));
  return names.length <= 4 ? names.join("+") : `${names.slice(0, 3).join("+")}+${names.length - 3} more`;
}
