/**
 * One operator alone as a program: every input a buffer, every output a buffer, nothing fused.
 *
 * It is what eager execution, constant folding and the reference of every compiled unit stand on, so it takes the
 * shortest way from a definition to loops and shares with the fused lowering only the views of memory.
 */
import { assert, HoldfastError } from "../../base/index.ts";
import { absent, type GraphNode, type GraphValue } from "../graph/graph.ts";
import { elementCount, sameShape } from "../ir/element-type.ts";
import { type Expr, index as indexConstant } from "../ir/expression.ts";
import { type BufferDeclaration, type Kernel, KernelBuilder, type UnitProgram } from "../ir/kernel.ts";
import { OperatorContext } from "../operators/context.ts";
import type { Lowering, TensorSink, TensorView } from "../operators/definition.ts";
import { findOperator } from "../operators/registry.ts";
import { bufferScratch, bufferSink, bufferView, constantView } from "./views.ts";

export interface LoweredNode {
  readonly program: UnitProgram;
  /** The values that the first buffers hold, in order. Splats are written into the program and have no buffer. */
  readonly inputs: readonly number[];
  /** The values that the buffers after the inputs hold, in order. */
  readonly outputs: readonly number[];
}

/** The lowering that a node's definition gives. */
export function nodeLowering(node: GraphNode, values: readonly GraphValue[]): Lowering {
  const definition = findOperator(node.domain, node.operator, node.version);
  if (!definition) {
    const message = `${node.operator} node ${JSON.stringify(node.name)}: there is no definition for version ${node.version}`;
    throw new HoldfastError("TENSOR_UNSUPPORTED_OPERATOR", message, {
      details: { operator: node.operator },
    });
  }
  return definition.lower(new OperatorContext(node, values, true));
}

/** The program of one node of a graph. Types of its outputs are those in `values`. */
export function lowerNode(
  node: GraphNode,
  values: readonly GraphValue[],
  lowering: Lowering = nodeLowering(node, values),
): LoweredNode {
  const buffers: BufferDeclaration[] = [];
  const declare = (type: GraphValue["type"], count: number, role: BufferDeclaration["role"]): BufferDeclaration => {
    const declaration: BufferDeclaration = {
      id: buffers.length,
      type,
      count,
      role,
    };
    buffers.push(declaration);
    return declaration;
  };
  const operands = lowering.form === "contraction" ? lowering.operands.map((place) => node.inputs[place]) : [];
  const views = new Map<number, TensorView>();
  const inputs: number[] = [];
  for (const id of new Set(node.inputs)) {
    if (id === absent) continue;
    const { type, shape, constant } = values[id]!;
    if (constant?.splat && !operands.includes(id)) {
      views.set(id, constantView(constant));
      continue;
    }
    views.set(id, bufferView(declare(type, elementCount(shape), "input"), shape));
    inputs.push(id);
  }
  const outputs = node.outputs.filter((id) => id !== absent);
  const sinks = new Map<number, TensorSink>();
  for (const id of outputs) {
    const { type, shape } = values[id]!;
    sinks.set(id, bufferSink(declare(type, elementCount(shape), "output"), shape));
  }
  const io: NodeIo = {
    inputs: node.inputs.map((id) => views.get(id)),
    outputs: node.outputs.map((id) => sinks.get(id)),
    build: new KernelBuilder(),
    scratch: (type, count) => bufferScratch(declare(type, count, "scratch")),
    operandBuffer: (place) => inputs.indexOf(node.inputs[place]!),
    outputBuffer: (place) => inputs.length + outputs.indexOf(node.outputs[place]!),
  };
  return {
    program: { buffers, kernels: kernelsOf(lowering, io) },
    inputs,
    outputs,
  };
}

interface NodeIo {
  readonly inputs: readonly (TensorView | undefined)[];
  readonly outputs: readonly (TensorSink | undefined)[];
  readonly build: KernelBuilder;
  readonly scratch: (type: GraphValue["type"], count: number) => ReturnType<typeof bufferScratch>;
  /** Buffer of the input at a place. */
  readonly operandBuffer: (place: number) => number;
  /** Buffer of the output at a place. */
  readonly outputBuffer: (place: number) => number;
}

function kernelsOf(lowering: Lowering, io: NodeIo): Kernel[] {
  switch (lowering.form) {
    case "alias": {
      const source = io.inputs[0];
      assert(source, "an alias has a first input");
      return mapKernels(io, false, (_index, offset) => source.atOffset(offset));
    }
    case "map": {
      const flat =
        lowering.elementwise && io.outputs.every((sink) => sink && io.inputs.every((view) => fits(view, sink)));
      return mapKernels(io, !flat, (index, offset, output) => {
        const inputs = flat ? io.inputs.map((view) => view && pinned(view, offset)) : io.inputs;
        return lowering.at(index, inputs, output);
      });
    }
    case "contraction": {
      const [first, second] = lowering.operands;
      const contraction = lowering.describe(io.operandBuffer(first), io.operandBuffer(second));
      const sink = io.outputs[0];
      assert(sink, "a contraction has an output");
      const indices = sink.shape.map(() => io.build.variable("i32"));
      const result = io.build.variable("f32");
      const finished = lowering.finish ? lowering.finish(result, indices, io.inputs) : result;
      return [
        {
          kind: "contraction",
          contraction,
          epilogue: { indices, result, body: sink.store(indices, finished) },
        },
      ];
    }
    case "loops":
      return [{ kind: "loops", body: lowering.emit(io) }];
  }
}

/** Whether an input of an elementwise map can be read by the output's offset. */
function fits(view: TensorView | undefined, sink: TensorSink): boolean {
  return !view || elementCount(view.shape) === 1 || sameShape(view.shape, sink.shape);
}

/** The view for one place: that offset, whatever index it is asked at. */
function pinned(view: TensorView, offset: Expr): TensorView {
  const value = view.atOffset(elementCount(view.shape) === 1 ? indexConstant(0) : offset);
  return {
    type: view.type,
    shape: view.shape,
    at: () => value,
    atOffset: () => value,
  };
}

/** One loop nest an output; `nested` where the index of each axis is wanted, else one loop over offsets. */
function mapKernels(
  io: NodeIo,
  nested: boolean,
  at: (index: readonly Expr[], offset: Expr, output: number) => Expr,
): Kernel[] {
  const kernels: Kernel[] = [];
  for (const [output, sink] of io.outputs.entries()) {
    if (!sink) continue;
    const body = nested
      ? io.build.eachIndex(sink.shape, (index) => sink.store(index, at(index, indexConstant(0), output)))
      : [
          io.build.each(elementCount(sink.shape), (offset) => {
            const value = at(
              sink.shape.map(() => offset),
              offset,
              output,
            );
            return [{ do: "store", buffer: io.outputBuffer(output), offset, value }];
          }),
        ];
    kernels.push({ kind: "loops", body });
  }
  return kernels;
}
