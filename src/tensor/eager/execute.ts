/**
 * Runs nodes and graphs eagerly: each operator lowered alone, printed as plain loops, evaluated.
 *
 * This is the oracle, the constant folder and the fallback in one. Compiled functions are kept by their text, so that
 * a thousand equal nodes are compiled once. The only place where text becomes code: the text is ours (see print.ts).
 */
import { byteSizeOf, elementCount, type ElementArray, newArray } from "../ir/element-type.ts";
import type { UnitProgram } from "../ir/kernel.ts";
import { elementsOf, reshapeConstant } from "../graph/constant.ts";
import { absent, type ConstantData, type Graph, type GraphNode, type GraphValue } from "../graph/graph.ts";
import { loweringOf, lowerUnit, type UnitGraph } from "../lower/unit.ts";
import { eagerPrelude } from "./prelude.ts";
import { eagerSource } from "./print.ts";

type EagerFunction = (...buffers: ElementArray[]) => void;

const functions = new Map<string, EagerFunction>();
const functionsKept = 2_000;

/** The function an eager source stands for. */
export function evaluateSource(source: string): EagerFunction {
  const known = functions.get(source);
  if (known) return known;
  const made = new Function(`${eagerPrelude}\nreturn ${source};`)() as EagerFunction;
  if (functions.size >= functionsKept) functions.clear();
  functions.set(source, made);
  return made;
}

/** Runs a program over its inputs (and weights) in order; gives its outputs in order. */
export function executeProgram(program: UnitProgram, inputs: readonly ElementArray[]): ElementArray[] {
  const outputs: ElementArray[] = [];
  const buffers: ElementArray[] = [];
  for (const declaration of program.buffers) {
    if (declaration.role === "scratch") continue;
    if (declaration.role === "output") {
      const array = newArray(declaration.type, declaration.count);
      outputs.push(array);
      buffers.push(array);
    } else buffers.push(inputs[buffers.length]!);
  }
  evaluateSource(eagerSource(program))(...buffers);
  return outputs;
}

/** Runs a unit unfused: inputs in the order of its program's buffers (plain inputs first, then weights). */
export function executeUnit(unit: UnitGraph, inputs: readonly ElementArray[]): ElementArray[] {
  return executeProgram(lowerUnit(unit, { fuse: false }), inputs);
}

/** The outputs of one node whose inputs are all constants and whose types are known. */
export function executeNode(node: GraphNode, values: readonly GraphValue[]): ConstantData[] {
  return executeOn(node, values, (id) => values[id]!.constant!);
}

/** Runs a whole graph node by node; `inputs` by value id. Gives the graph's outputs in order. */
export function executeGraph(graph: Graph, inputs: ReadonlyMap<number, ConstantData>): ConstantData[] {
  const known = new Map(inputs);
  const contents = (id: number): ConstantData => known.get(id) ?? graph.values[id]!.constant!;
  for (const node of graph.nodes) {
    const outputs = executeOn(node, graph.values, contents);
    for (const [place, id] of node.outputs.entries()) if (id !== absent) known.set(id, outputs[place]!);
  }
  return graph.outputs.map(contents);
}

function executeOn(node: GraphNode, values: readonly GraphValue[], contents: (id: number) => ConstantData): ConstantData[] {
  const single = singleNodeUnit(node, values, contents);
  if (loweringOf(single.unit.graph, single.unit.graph.nodes[0]!).form === "alias") {
    const output = values[node.outputs[0]!]!;
    return [reshapeConstant(contents(node.inputs[0]!), output.shape)];
  }
  const arrays = executeUnit(single.unit, single.inputs.map((id) => elementsOf(contents(id))));
  let next = 0;
  return node.outputs.map((id) => {
    const { type, shape } = id === absent ? { type: "float32" as const, shape: [0] } : values[id]!;
    const array = id === absent ? newArray(type, 0) : arrays[next++]!;
    return { type, shape, splat: false, bytes: new Uint8Array(array.buffer, array.byteOffset, elementCount(shape) * byteSizeOf(type)) };
  });
}

/** One node as a unit: every input with more than one element comes in by a buffer. */
function singleNodeUnit(
  node: GraphNode,
  values: readonly GraphValue[],
  contents: (id: number) => ConstantData,
): { readonly unit: UnitGraph; readonly inputs: readonly number[] } {
  const unitValues: GraphValue[] = [];
  const local = new Map<number, number>();
  const inputs: number[] = [];
  for (const id of node.inputs) {
    if (id === absent || local.has(id)) continue;
    const { constant: known, ...value } = values[id]!;
    const constant = known ?? contents(id);
    // Only what was known when the graph was made may decide about shapes; contents given at run time are data.
    local.set(id, unitValues.length);
    unitValues.push({ ...value, id: unitValues.length, ...(known ? { constant } : {}) });
    inputs.push(id);
  }
  const outputs = node.outputs.map((id) => {
    if (id === absent) return absent;
    const { constant: _, ...value } = values[id]!;
    unitValues.push({ ...value, id: unitValues.length });
    return unitValues.length - 1;
  });
  const graph: Graph = {
    name: "node",
    values: unitValues,
    nodes: [{ ...node, inputs: node.inputs.map((id) => (id === absent ? id : local.get(id)!)), outputs }],
    inputs: inputs.map((id) => local.get(id)!),
    outputs: outputs.filter((id) => id !== absent),
  };
  return { unit: { graph, weights: new Set() }, inputs };
}

