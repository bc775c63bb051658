/**
 * Runs nodes and graphs eagerly: each operator lowered alone, printed as plain loops, evaluated.
 *
 * This is the oracle, the constant folder and the fallback in one. Compiled functions are kept by their text, so that
 * a thousand equal nodes are compiled once. The only place where text becomes code: the text is ours (see print.ts).
 */
import { assert } from "../../base/index.ts";
import { elementsOf, reshapeConstant } from "../graph/constant.ts";
import { absent, type ConstantData, type Graph, type GraphNode, type GraphValue } from "../graph/graph.ts";
import { byteSizeOf, type ElementArray, elementCount, newArray } from "../ir/element-type.ts";
import type { UnitProgram } from "../ir/kernel.ts";
import { lowerNode, nodeLowering } from "../lower/node.ts";
import { lowerUnit, type UnitGraph } from "../lower/unit.ts";
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
    } else {
      const array = inputs[buffers.length];
      assert(array?.length === declaration.count, `buffer ${declaration.id} has ${declaration.count} elements`);
      buffers.push(array);
    }
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
  return executeOn(node, values, (id) => {
    const { constant, name } = values[id]!;
    assert(constant, `${name} is not a constant`);
    return constant;
  });
}

/** Runs a whole graph node by node; `inputs` by value id. Gives the graph's outputs in order. */
export function executeGraph(graph: Graph, inputs: ReadonlyMap<number, ConstantData>): ConstantData[] {
  const known = new Map(inputs);
  const contents = (id: number): ConstantData => {
    const found = known.get(id) ?? graph.values[id]!.constant;
    assert(found, `${graph.values[id]!.name} is read but not given`);
    return found;
  };
  const lastReads = new Map(graph.nodes.flatMap((node, place) => node.inputs.map((id) => [id, place] as const)));
  for (const id of graph.outputs) lastReads.delete(id);
  for (const [place, node] of graph.nodes.entries()) {
    const outputs = executeOn(node, graph.values, contents);
    for (const [output, id] of node.outputs.entries()) if (id !== absent) known.set(id, outputs[output]!);
    for (const id of node.inputs) if (lastReads.get(id) === place) known.delete(id);
  }
  return graph.outputs.map(contents);
}

/** `values` decide how the node is lowered; `contents` are what it is run on. */
function executeOn(
  node: GraphNode,
  values: readonly GraphValue[],
  contents: (id: number) => ConstantData,
): ConstantData[] {
  const types = node.outputs.map((id) => (id === absent ? undefined : values[id]!));
  if (types.every((type) => type === undefined || type.constant)) {
    return types.map((type) => type?.constant ?? nothing);
  }
  const lowering = nodeLowering(node, values);
  if (lowering.form === "alias") return [reshapeConstant(contents(node.inputs[0]!), types[0]!.shape)];
  const { program, inputs } = lowerNode(node, values, lowering);
  const arrays = executeProgram(
    program,
    inputs.map((id) => elementsOf(contents(id))),
  );
  let next = 0;
  return types.map((type) => (type ? dataOf(type, arrays[next++]!) : nothing));
}

/** What stands for an output that is not wanted. */
const nothing: ConstantData = {
  type: "float32",
  shape: [0],
  splat: false,
  bytes: new Uint8Array(0),
};

function dataOf({ type, shape }: GraphValue, array: ElementArray): ConstantData {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, elementCount(shape) * byteSizeOf(type));
  return { type, shape, splat: false, bytes };
}
