/**
 * Reads and writes at indices that are data. Indices count from the end where negative, and are clamped into the
 * tensor, so that no data makes an access outside.
 */
import { type ElementType, elementCount, type Shape } from "../ir/element-type.ts";
import { add, cast, compare, type Expr, index as indexConstant, max, min, mul, select } from "../ir/expression.ts";
import type { Stmt } from "../ir/kernel.ts";
import { linearize } from "./broadcast.ts";
import type { OperatorContext } from "./context.ts";
import type { LoopsIo, Lowering, OperatorDefinition, TensorView } from "./definition.ts";
import { requireGroup, requireSameType } from "./elementwise.ts";
import { checkedShape } from "./shape.ts";

/** An index given as data, brought into 0..extent-1. */
export function placeIn(value: Expr, extent: number): Expr {
  const place = cast("i32", value);
  const zero = indexConstant(0);
  const positive = select(compare("lt", place, zero), add(place, indexConstant(extent)), place);
  return min(max(positive, zero), indexConstant(extent - 1));
}

function requireIndices(context: OperatorContext, position: number): Shape {
  requireGroup(context, "integer", position);
  return context.input(position).shape;
}

/** Rejects reading from a tensor that has no element to read. */
function requireElements(context: OperatorContext, data: Shape, result: Shape): void {
  if (elementCount(data) === 0 && elementCount(result) > 0) {
    context.reject("TENSOR_SHAPE_MISMATCH", `there is nothing to read in a tensor of shape [${data.join(",")}]`);
  }
}

function axisOf(context: OperatorContext): number {
  return context.axis(context.int("axis", 0), context.input(0).shape.length);
}

const gather: OperatorDefinition = {
  operator: "Gather",
  since: 1,
  infer(context) {
    const { type, shape } = context.input(0);
    const axis = axisOf(context);
    const result = [...shape.slice(0, axis), ...requireIndices(context, 1), ...shape.slice(axis + 1)];
    requireElements(context, shape, result);
    return [{ type, shape: checkedShape(context, result) }];
  },
  lower(context) {
    const axis = axisOf(context);
    const rank = context.input(1).shape.length;
    return {
      form: "map",
      elementwise: false,
      at(index, [data, indices]) {
        const place = placeIn(indices!.at(index.slice(axis, axis + rank)), data!.shape[axis]!);
        return data!.at([...index.slice(0, axis), place, ...index.slice(axis + rank)]);
      },
    };
  },
};

const gatherElements: OperatorDefinition = {
  operator: "GatherElements",
  since: 11,
  infer(context) {
    const { type, shape } = context.input(0);
    const result = requireIndices(context, 1);
    requireInside(context, result, shape, axisOf(context), "indices");
    requireElements(context, shape, result);
    return [{ type, shape: result }];
  },
  lower(context) {
    const axis = axisOf(context);
    return {
      form: "map",
      elementwise: false,
      at: (index, [data, indices]) => data!.at(index.with(axis, placeIn(indices!.at(index), data!.shape[axis]!))),
    };
  },
};

/** Indices of GatherElements and ScatterElements lie inside the data along every other axis. */
function requireInside(context: OperatorContext, indices: Shape, data: Shape, axis: number, what: string): void {
  if (indices.length === data.length && indices.every((extent, at) => at === axis || extent <= data[at]!)) return;
  const text = `${what} of shape [${indices.join(",")}] do not fit data of shape [${data.join(",")}]`;
  context.reject("TENSOR_SHAPE_MISMATCH", text);
}

interface Tuples {
  readonly batch: number;
  /** Axes that a tuple of indices names. */
  readonly length: number;
}

function tuplesOf(context: OperatorContext, batch: number): Tuples {
  const data = context.input(0).shape;
  const indices = requireIndices(context, 1);
  const length = indices.at(-1) ?? 0;
  const sameBatch = indices.slice(0, batch).every((extent, axis) => extent === data[axis]);
  if (indices.length === 0 || batch >= indices.length || !sameBatch || batch + length > data.length) {
    const text = `indices of shape [${indices.join(",")}] do not fit data of shape [${data.join(",")}]`;
    context.reject("TENSOR_SHAPE_MISMATCH", text);
  }
  return { batch, length };
}

/** The index into the data that the tuple at `outer` names, followed by `inner`. */
function tupleIndex(
  data: Shape,
  indices: TensorView,
  outer: readonly Expr[],
  inner: readonly Expr[],
  { batch, length }: Tuples,
): Expr[] {
  const places = Array.from({ length }, (_, part) =>
    placeIn(indices.at([...outer, indexConstant(part)]), data[batch + part]!),
  );
  return [...outer.slice(0, batch), ...places, ...inner];
}

const gatherND: OperatorDefinition = {
  operator: "GatherND",
  since: 11,
  infer(context) {
    const { type, shape } = context.input(0);
    const { batch, length } = tuplesOf(context, context.int("batch_dims", 0));
    const result = [...context.input(1).shape.slice(0, -1), ...shape.slice(batch + length)];
    requireElements(context, shape, result);
    return [{ type, shape: checkedShape(context, result) }];
  },
  lower(context) {
    const tuples = tuplesOf(context, context.int("batch_dims", 0));
    const outer = context.input(1).shape.length - 1;
    return {
      form: "map",
      elementwise: false,
      at: (index, [data, indices]) =>
        data!.at(tupleIndex(data!.shape, indices!, index.slice(0, outer), index.slice(outer), tuples)),
    };
  },
};

type Join = (old: Expr, update: Expr) => Expr;

const joins: Readonly<Record<string, Join>> = {
  add: (a, b) => (a.type === "bool" ? select(a, a, b) : add(a, b)),
  mul: (a, b) => (a.type === "bool" ? select(a, b, a) : mul(a, b)),
  min: (a, b) => min(a, b),
  max: (a, b) => max(a, b),
};

/** How an update joins what is there; undefined where it replaces it. */
function joinOf(context: OperatorContext): Join | undefined {
  const reduction = context.string("reduction", "none");
  if (reduction === "none") return undefined;
  const join = joins[reduction];
  if (!join) context.reject("TENSOR_BAD_ATTRIBUTE", `reduction is ${JSON.stringify(reduction)}`);
  return join;
}

/** The data with updates written over it one after the other; `target` says where. */
function scatter(
  type: ElementType,
  join: Join | undefined,
  target: (index: readonly Expr[], data: TensorView, indices: TensorView) => readonly Expr[],
): Lowering {
  return {
    form: "loops",
    emit(io) {
      const [data, indices, updates] = io.inputs as readonly TensorView[];
      const place = (index: readonly Expr[]): readonly Expr[] => target(index, data!, indices!);
      if (join) return scatterJoining(io, type, join, place);
      const copy = io.build.eachIndex(data!.shape, (index) => io.outputs[0]!.store(index, data!.at(index)));
      const write = inOrder(io, updates!.shape, (index) => io.outputs[0]!.store(place(index), updates!.at(index)));
      return [...copy, ...write];
    },
  };
}

/** What was written is read again, so it is gathered in memory of the operator's own. */
function scatterJoining(
  { inputs, outputs, build, scratch }: LoopsIo,
  type: ElementType,
  join: Join,
  target: (index: readonly Expr[]) => readonly Expr[],
): Stmt[] {
  const [data, , updates] = inputs as readonly TensorView[];
  const { shape } = data!;
  const result = scratch(type, elementCount(shape));
  return [
    ...build.eachIndex(shape, (index) => [result.store(linearize(index, shape), data!.at(index))]),
    ...inOrder({ build }, updates!.shape, (index) => {
      const offset = linearize(target(index), shape);
      return [result.store(offset, join(result.load(offset), updates!.at(index)))];
    }),
    ...build.eachIndex(shape, (index) => outputs[0]!.store(index, result.load(linearize(index, shape)))),
  ];
}

/** Nested loops in order: later updates win. */
function inOrder(
  { build }: Pick<LoopsIo, "build">,
  shape: Shape,
  body: (index: readonly Expr[]) => readonly Stmt[],
): readonly Stmt[] {
  const nest = (axis: number, index: readonly Expr[]): readonly Stmt[] =>
    axis === shape.length ? body(index) : [build.sequence(shape[axis]!, (next) => nest(axis + 1, [...index, next]))];
  return shape.includes(0) ? [] : nest(0, []);
}

const scatterElements = (operator: string, since: number): OperatorDefinition => ({
  operator,
  since,
  infer(context) {
    const { type, shape } = context.input(0);
    const indices = requireIndices(context, 1);
    requireInside(context, indices, shape, axisOf(context), "indices");
    requireSameType(context, 0, 2);
    const updates = context.input(2).shape;
    if (updates.length !== indices.length || updates.some((extent, axis) => extent !== indices[axis])) {
      context.reject("TENSOR_SHAPE_MISMATCH", `updates are [${updates.join(",")}], indices [${indices.join(",")}]`);
    }
    requireElements(context, shape, updates);
    joinOf(context);
    return [{ type, shape }];
  },
  lower(context) {
    const axis = axisOf(context);
    return scatter(context.input(0).type, joinOf(context), (index, data, indices) =>
      index.with(axis, placeIn(indices.at(index), data.shape[axis]!)),
    );
  },
});

const scatterND: OperatorDefinition = {
  operator: "ScatterND",
  since: 11,
  infer(context) {
    const { type, shape } = context.input(0);
    const { length } = tuplesOf(context, 0);
    requireSameType(context, 0, 2);
    const expected = [...context.input(1).shape.slice(0, -1), ...shape.slice(length)];
    const updates = context.input(2).shape;
    if (updates.length !== expected.length || updates.some((extent, axis) => extent !== expected[axis])) {
      context.reject("TENSOR_SHAPE_MISMATCH", `updates are [${updates.join(",")}], not [${expected.join(",")}]`);
    }
    requireElements(context, shape, updates);
    joinOf(context);
    return [{ type, shape }];
  },
  lower(context) {
    const tuples = tuplesOf(context, 0);
    const outer = context.input(1).shape.length - 1;
    return scatter(context.input(0).type, joinOf(context), (index, data, indices) =>
      tupleIndex(data.shape, indices, index.slice(0, outer), index.slice(outer), tuples),
    );
  },
};

export const gatherScatterOperators: readonly OperatorDefinition[] = [
  gather,
  gatherElements,
  gatherND,
  scatterElements("Scatter", 9),
  scatterElements("ScatterElements", 11),
  scatterND,
];
