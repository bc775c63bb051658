/**
 * Recognises a layer normalisation written out in small operators and puts the one operator in its place:
 * mean, difference, square, mean, plus epsilon, root, division, and where they follow, scale and bias.
 */

import { elementsOf } from "../graph/constant.ts";
import { consumersOf, producersOf } from "../graph/editor.ts";
import { absent, type Graph, type GraphNode } from "../graph/graph.ts";
import { elementCount } from "../ir/element-type.ts";

export function recogniseLayerNormalization(graph: Graph): Graph {
  const matcher = new Matcher(graph);
  const replaced = new Map<number, GraphNode>();
  const gone = new Set<number>();
  const values = [...graph.values];
  for (const [position, node] of graph.nodes.entries()) {
    const found = node.operator === "Div" ? matcher.match(node) : undefined;
    if (!found) continue;
    const { inside, input, epsilon, last, scale, bias } = found;
    if (inside.some((place) => gone.has(place))) continue;
    let scaleId = scale;
    const { type, shape } = graph.values[input]!;
    if (scaleId === undefined) {
      scaleId = values.length;
      const one = { type, shape: [shape.at(-1)!], splat: true, bytes: new Uint8Array(new Float32Array([1]).buffer) };
      values.push({
        id: scaleId,
        name: `${graph.values[node.outputs[0]!]!.name}/one`,
        type,
        shape: one.shape,
        constant: one,
      });
    }
    for (const place of inside) gone.add(place);
    const outputs = graph.nodes[last]!.outputs;
    const inputs = bias === undefined ? [input, scaleId] : [input, scaleId, bias];
    const attributes = { axis: { kind: "int", value: -1 }, epsilon: { kind: "float", value: epsilon } } as const;
    replaced.set(last, {
      name: node.name,
      domain: "",
      operator: "LayerNormalization",
      version: 17,
      inputs,
      outputs,
      attributes,
    });
    void position;
  }
  if (replaced.size === 0) return graph;
  const nodes = graph.nodes.flatMap((node, place) => {
    const made = replaced.get(place);
    return made ? [made] : gone.has(place) ? [] : [node];
  });
  return { ...graph, values, nodes };
}

interface Found {
  /** Places of all nodes taken, and the last of them. */
  readonly inside: readonly number[];
  readonly last: number;
  readonly input: number;
  readonly epsilon: number;
  readonly scale: number | undefined;
  readonly bias: number | undefined;
}

class Matcher {
  readonly #graph: Graph;
  readonly #producers: Map<number, number>;
  readonly #consumers: Map<number, number[]>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#producers = producersOf(graph);
    this.#consumers = consumersOf(graph);
  }

  /** `div` divides the difference by the root. */
  match(div: GraphNode): Found | undefined {
    const difference = this.#made(div.inputs[0]!, "Sub");
    const root = this.#made(div.inputs[1]!, "Sqrt");
    const shifted = root && this.#made(root.inputs[0]!, "Add");
    const epsilon = shifted && this.#scalar(shifted);
    const variance = shifted && epsilon && this.#made(epsilon.other, "ReduceMean");
    const squared = variance && this.#made(variance.inputs[0]!, "Mul", "Pow");
    const mean = difference && this.#made(difference.inputs[1]!, "ReduceMean");
    if (!squared || !mean || !difference || !variance || !epsilon || !shifted || !root) return undefined;
    const input = difference.inputs[0]!;
    const centre = difference.outputs[0]!;
    if (mean.inputs[0] !== input || this.#graph.values[input]!.type !== "float32") return undefined;
    if (!this.#lastAxis(mean, input) || !this.#lastAxis(variance, input) || !this.#isSquare(squared, centre))
      return undefined;
    const chain = [mean, difference, squared, variance, shifted, root, div].map((node) =>
      this.#graph.nodes.indexOf(node),
    );
    if (!this.#closed(chain)) return undefined;
    return this.#withScaleAndBias({
      inside: chain,
      last: chain.at(-1)!,
      input,
      epsilon: epsilon.value,
      scale: undefined,
      bias: undefined,
    });
  }

  #withScaleAndBias(found: Found): Found {
    const scaled = this.#next(found, "Mul");
    if (!scaled) return found;
    const withScale = { ...found, inside: [...found.inside, scaled.place], last: scaled.place, scale: scaled.operand };
    const biased = this.#next(withScale, "Add");
    return biased
      ? { ...withScale, inside: [...withScale.inside, biased.place], last: biased.place, bias: biased.operand }
      : withScale;
  }

  /** The only reader of a chain's result, if it combines it with a constant along the last axis. */
  #next(found: Found, operator: string): { readonly place: number; readonly operand: number } | undefined {
    const result = this.#graph.nodes[found.last]!.outputs[0]!;
    const readers = this.#consumers.get(result) ?? [];
    if (readers.length !== 1 || this.#graph.outputs.includes(result)) return undefined;
    const node = this.#graph.nodes[readers[0]!]!;
    if (node.operator !== operator || node.domain !== "") return undefined;
    const operand = node.inputs[0] === result ? node.inputs[1]! : node.inputs[0]!;
    const { constant, shape } = this.#graph.values[operand]!;
    const width = this.#graph.values[found.input]!.shape.at(-1);
    return constant && shape.length === 1 && shape[0] === width ? { place: readers[0]!, operand } : undefined;
  }

  #made(id: number, ...operators: readonly string[]): GraphNode | undefined {
    const place = this.#producers.get(id);
    const node = place === undefined ? undefined : this.#graph.nodes[place]!;
    return node && node.domain === "" && operators.includes(node.operator) ? node : undefined;
  }

  /** The single-element constant an operator has as one operand, and the other operand. */
  #scalar(node: GraphNode): { readonly value: number; readonly other: number } | undefined {
    for (const place of [0, 1]) {
      const { constant, shape, type } = this.#graph.values[node.inputs[place]!]!;
      if (!constant || elementCount(shape) !== 1 || type !== "float32") continue;
      return { value: Number(elementsOf(constant)[0]), other: node.inputs[1 - place]! };
    }
    return undefined;
  }

  #isSquare(node: GraphNode, centre: number): boolean {
    if (node.operator === "Mul") return node.inputs[0] === centre && node.inputs[1] === centre;
    return node.inputs[0] === centre && this.#scalar(node)?.value === 2;
  }

  #lastAxis(node: GraphNode, input: number): boolean {
    const rank = this.#graph.values[input]!.shape.length;
    const { axes, keepdims } = node.attributes;
    const given = axes?.kind === "ints" ? axes.value : this.#inputAxes(node);
    const kept = keepdims === undefined || keepdims.value === 1;
    return kept && given?.length === 1 && (given[0] === -1 || given[0] === rank - 1);
  }

  #inputAxes(node: GraphNode): readonly number[] | undefined {
    const id = node.inputs[1];
    const constant = id === undefined || id === absent ? undefined : this.#graph.values[id]!.constant;
    return constant ? Array.from(elementsOf(constant) as BigInt64Array, Number) : undefined;
  }

  /** Whether nothing outside the chain reads what it makes on the way. */
  #closed(chain: readonly number[]): boolean {
    return chain
      .slice(0, -1)
      .every((place) =>
        this.#graph.nodes[place]!.outputs.every(
          (id) =>
            !this.#graph.outputs.includes(id) &&
            (this.#consumers.get(id) ?? []).every((reader) => chain.includes(reader)),
        ),
      );
  }
}
