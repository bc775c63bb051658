/** Random graphs of common operators on float32, and what else their casts make: for tests of fusion and code. */
import { denseConstant, int64Constant } from "../../src/tensor/graph/constant.ts";
import type { AttributeValue, ConstantData, Graph, GraphNode, GraphValue } from "../../src/tensor/graph/graph.ts";
import { elementCount, sameShape } from "../../src/tensor/ir/element-type.ts";
import { inferNode } from "../../src/tensor/passes/infer-and-fold.ts";

/** Small numbers from a seed, always the same. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  roll(sides: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * sides);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.roll(list.length)]!;
  }
}

class RandomGraph {
  readonly dice: Dice;
  readonly values: GraphValue[] = [];
  readonly nodes: GraphNode[] = [];
  readonly inputs: number[] = [];
  /** Values in which two right answers may differ in their last bits. */
  readonly #inexact = new Set<number>();

  constructor(seed: number) {
    this.dice = new Dice(seed);
  }

  input(shape: readonly number[]): void {
    this.inputs.push(this.#add({ type: "float32", shape }));
  }

  constant(data: ConstantData): number {
    return this.#add(data, data);
  }

  apply(
    operator: string,
    inputs: readonly number[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    outputs = 1,
  ): void {
    const node: GraphNode = {
      name: `${operator}${this.nodes.length}`,
      domain: "",
      operator,
      version: 17,
      inputs,
      outputs: Array.from({ length: outputs }, (_, place) => this.values.length + place),
      attributes,
    };
    const types = inferNode(node, this.values);
    if (rounding.has(operator) || !this.isExact(...inputs)) for (const id of node.outputs) this.#inexact.add(id);
    for (let place = 0; place < outputs; place++) this.#add(types[place]!);
    this.nodes.push(node);
  }

  /** Only then may a step follow that makes much of a last bit: a cast to whole numbers, a comparison. */
  isExact(...ids: readonly number[]): boolean {
    return ids.every((id) => !this.#inexact.has(id));
  }

  /** A value of that type that is not a constant. */
  any(test: (value: GraphValue) => boolean = () => true): GraphValue | undefined {
    const fitting = this.values.filter((value) => !value.constant && test(value));
    return fitting.length > 0 ? this.dice.pick(fitting) : undefined;
  }

  finish(): Graph {
    const read = new Set(this.nodes.flatMap((node) => node.inputs));
    const made = this.nodes.flatMap((node) => node.outputs);
    const outputs = made.filter((id) => !read.has(id) || this.dice.roll(6) === 0);
    return { name: "random", values: this.values, nodes: this.nodes, inputs: this.inputs, outputs };
  }

  #add(type: Pick<GraphValue, "type" | "shape">, constant?: ConstantData): number {
    const id = this.values.length;
    this.values.push({ id, name: `v${id}`, type: type.type, shape: type.shape, ...(constant ? { constant } : {}) });
    return id;
  }
}

/** Operators whose result depends on the order of sums, or on whose exponential function it is. */
const rounding: ReadonlySet<string> = new Set(["Sigmoid", "Softmax", "LayerNormalization", "MatMul", "CumSum"]);

const int = (value: number): AttributeValue => ({ kind: "int", value });

/** One more node of any kind on what is there. */
function grow(graph: RandomGraph): void {
  const { dice } = graph;
  const x = graph.any(({ type }) => type === "float32")!;
  const rank = x.shape.length;
  const like = graph.any(({ type, shape }) => type === "float32" && sameShape(shape, x.shape))!;
  switch (dice.roll(17)) {
    case 0:
      return graph.apply(dice.pick(["Relu", "Neg", "Abs", "Sigmoid", graph.isExact(x.id) ? "Ceil" : "Abs"]), [x.id]);
    case 1:
      return graph.apply(dice.pick(["Add", "Sub", "Mul", "Max"]), [x.id, like.id]);
    case 2: {
      const extent = x.shape.at(-1)!;
      const row = denseConstant(
        "float32",
        [extent],
        Array.from({ length: extent }, () => dice.roll(7) - 3),
      );
      return graph.apply(dice.pick(["Add", "Mul"]), [x.id, graph.constant(row)]);
    }
    case 3:
      return graph.apply("Transpose", [x.id]);
    case 4:
      return graph.apply("Reshape", [x.id, graph.constant(int64Constant([2], [-1, x.shape.at(-1)!]))]);
    case 5:
      return graph.apply("Concat", [x.id, like.id], { axis: int(dice.roll(rank)) });
    case 6:
      return graph.apply("Cast", [x.id], { to: int(dice.pick([graph.isExact(x.id) ? 3 : 10, 10])) });
    case 7: {
      const narrow = graph.any(({ type }) => type === "int8" || type === "float16");
      if (!narrow) return;
      return dice.roll(2) === 0
        ? graph.apply("Add", [narrow.id, narrow.id])
        : graph.apply("Cast", [narrow.id], { to: int(1) });
    }
    case 8:
      if (!graph.isExact(x.id, like.id)) return;
      graph.apply("Greater", [x.id, like.id]);
      return graph.apply("Where", [graph.values.length - 1, like.id, x.id]);
    case 9: {
      const pads = Array.from({ length: 2 * rank }, () => dice.roll(2));
      if (elementCount(x.shape) > 200) return;
      return graph.apply("Pad", [x.id, graph.constant(int64Constant([2 * rank], pads))]);
    }
    case 10:
      return graph.apply("CumSum", [x.id, graph.constant(int64Constant([], [dice.roll(rank)]))]);
    case 11: {
      const axis = dice.roll(rank);
      if (x.shape[axis]! < 2 || x.shape[axis]! % 2 !== 0) return;
      return graph.apply("Split", [x.id], { axis: int(axis) }, 2);
    }
    case 12: {
      const extent = x.shape.at(-1)!;
      const weights = Array.from({ length: extent * 3 }, () => dice.roll(9) - 4);
      return graph.apply("MatMul", [x.id, graph.constant(denseConstant("float32", [extent, 3], weights))]);
    }
    case 13:
      return graph.apply("Softmax", [x.id], { axis: int(dice.roll(rank)) });
    case 14:
      return graph.apply("ReduceMax", [x.id], { axes: { kind: "ints", value: [dice.roll(rank)] }, keepdims: int(1) });
    case 15: {
      const extent = x.shape.at(-1)!;
      const scale = denseConstant("float32", [extent], new Array<number>(extent).fill(0.5));
      return graph.apply("LayerNormalization", [x.id, graph.constant(scale)], { axis: int(-1) });
    }
    default: {
      const axis = dice.roll(rank);
      const indices = int64Constant([3], [0, -1, 1]);
      return graph.apply("Gather", [x.id, graph.constant(indices)], { axis: int(axis) });
    }
  }
}

function contentsFor(value: GraphValue, dice: Dice): ConstantData {
  const elements = Array.from({ length: elementCount(value.shape) }, () => (dice.roll(2001) - 1000) / 7);
  return denseConstant("float32", value.shape, elements);
}

/** A graph of about `steps` nodes over two inputs, and contents for them by value id. */
export function randomGraph(
  seed: number,
  steps: number,
  shapes: readonly (readonly [readonly number[], readonly number[]])[],
): { readonly graph: Graph; readonly inputs: Map<number, ConstantData> } {
  const random = new RandomGraph(seed);
  for (const shape of random.dice.pick(shapes)) random.input(shape);
  for (let step = 0; step < steps || random.nodes.length === 0; step++) grow(random);
  const graph = random.finish();
  return { graph, inputs: new Map(graph.inputs.map((id) => [id, contentsFor(graph.values[id]!, random.dice)])) };
}

export const smallShapes = [
  [
    [2, 4],
    [2, 4],
  ],
  [
    [2, 4],
    [4, 3],
  ],
  [
    [2, 4],
    [2, 2, 2],
  ],
] as const;

/** Extents around and across four lanes. */
export const laneShapes = [
  [
    [3, 4],
    [5, 9],
  ],
  [
    [2, 17],
    [2, 17],
  ],
  [
    [6, 8],
    [2, 3, 5],
  ],
  [
    [1, 33],
    [4, 7],
  ],
] as const;
