/** Operators that move elements to other places: Transpose, Expand, Concat, Split, Slice, Tile. */
import { add, type Expr, index as indexConstant, mul, rem } from "../ir/expression.ts";
import { broadcastIndex, broadcastShapes } from "./broadcast.ts";
import type { OperatorContext } from "./context.ts";
import type { OperatorDefinition } from "./definition.ts";
import { requireSameType } from "./elementwise.ts";
import { axesOf, checkedShape, listArgument } from "./shape.ts";

function permutationOf(context: OperatorContext): readonly number[] {
  const rank = context.input(0).shape.length;
  const given = context.ints(
    "perm",
    Array.from({ length: rank }, (_, axis) => rank - 1 - axis),
  );
  if (given.length !== rank || new Set(given).size !== rank || given.some((axis) => axis < 0 || axis >= rank)) {
    context.reject("TENSOR_BAD_ATTRIBUTE", `perm [${given.join(",")}] does not order ${rank} axes`);
  }
  return given;
}

const transpose: OperatorDefinition = {
  operator: "Transpose",
  since: 1,
  infer(context) {
    const { type, shape } = context.input(0);
    return [{ type, shape: permutationOf(context).map((axis) => shape[axis]!) }];
  },
  lower(context) {
    const { shape } = context.input(0);
    const permutation = permutationOf(context);
    // Where the axes longer than 1 keep their order, so do the elements.
    const long = permutation.filter((axis) => shape[axis] !== 1);
    if (long.every((axis, place) => place === 0 || axis > long[place - 1]!)) return { form: "alias" };
    return {
      form: "map",
      elementwise: false,
      at: (index, [input]) => input!.at(shape.map((_, axis) => index[permutation.indexOf(axis)]!)),
    };
  },
};

const expand: OperatorDefinition = {
  operator: "Expand",
  since: 8,
  infer(context) {
    const { type, shape } = context.input(0);
    const wanted = checkedShape(context, context.constantNumbers(1));
    return [{ type, shape: checkedShape(context, broadcastShapes(context, shape, wanted)) }];
  },
  lower: () => ({
    form: "map",
    elementwise: false,
    at: (index, [input]) => input!.at(broadcastIndex(index, input!.shape)),
  }),
};

function concatAxis(context: OperatorContext): number {
  return context.axis(context.int("axis"), context.input(0).shape.length);
}

const concat: OperatorDefinition = {
  operator: "Concat",
  since: 4,
  infer(context) {
    const { type, shape } = context.input(0);
    const axis = concatAxis(context);
    let extent = 0;
    for (const place of context.inputs.keys()) {
      const next = context.input(place).shape;
      requireSameType(context, 0, place);
      if (next.length !== shape.length || next.some((one, other) => other !== axis && one !== shape[other])) {
        const text = `[${shape.join(",")}] and [${next.join(",")}]`;
        context.reject("TENSOR_SHAPE_MISMATCH", `shapes ${text} cannot be joined along axis ${axis}`);
      }
      extent += next[axis]!;
    }
    return [{ type, shape: checkedShape(context, shape.with(axis, extent)) }];
  },
  lower(context) {
    if (context.inputs.length === 1) return { form: "alias" };
    const axis = concatAxis(context);
    return {
      form: "loops",
      emit({ inputs, outputs, build }) {
        let start = 0;
        return inputs.flatMap((input) => {
          const offset = start;
          start += input!.shape[axis]!;
          return build.eachIndex(input!.shape, (index) => {
            const place = index.map((part, at): Expr => (at === axis ? add(part, indexConstant(offset)) : part));
            return outputs[0]!.store(place, input!.at(index));
          });
        });
      },
    };
  },
};

/** Lengths of the parts along the axis. */
function splitParts(context: OperatorContext): { readonly axis: number; readonly parts: readonly number[] } {
  const { shape } = context.input(0);
  const axis = context.axis(context.int("axis", 0), shape.length);
  const extent = shape[axis]!;
  const count = context.outputCount;
  const given = listArgument(context, "split", 1);
  if (given) {
    if (given.length !== count || given.some((part) => part < 0) || given.reduce((a, b) => a + b, 0) !== extent) {
      context.reject("TENSOR_SHAPE_MISMATCH", `parts [${given.join(",")}] do not make ${count} parts of ${extent}`);
    }
    return { axis, parts: given };
  }
  if (context.version < 18 && extent % count !== 0) {
    context.reject("TENSOR_SHAPE_MISMATCH", `${extent} cannot be split into ${count} equal parts`);
  }
  const wanted = context.int("num_outputs", count);
  if (wanted !== count) context.reject("TENSOR_BAD_ATTRIBUTE", `num_outputs is ${wanted}, but there are ${count}`);
  const part = Math.ceil(extent / count);
  const parts = Array.from({ length: count }, (_, place) => Math.min(part, Math.max(extent - place * part, 0)));
  return { axis, parts };
}

const split: OperatorDefinition = {
  operator: "Split",
  since: 2,
  infer(context) {
    const { type, shape } = context.input(0);
    const { axis, parts } = splitParts(context);
    return parts.map((part) => ({ type, shape: shape.with(axis, part) }));
  },
  lower(context) {
    const { axis, parts } = splitParts(context);
    const starts = parts.map((_, place) => parts.slice(0, place).reduce((a, b) => a + b, 0));
    return {
      form: "map",
      elementwise: false,
      at: (index, [input], output) =>
        input!.at(index.map((part, at) => (at === axis ? add(part, indexConstant(starts[output]!)) : part))),
    };
  },
};

interface SlicedAxis {
  readonly start: number;
  readonly step: number;
  readonly extent: number;
}

/** What is taken of each axis. */
function slicedAxes(context: OperatorContext): readonly SlicedAxis[] {
  const { shape } = context.input(0);
  const starts = listArgument(context, "starts", 1);
  const ends = listArgument(context, "ends", 2);
  if (!starts || !ends || starts.length !== ends.length) {
    context.reject("TENSOR_BAD_INPUT", "starts and ends must be given, and be of one length");
  }
  const given = listArgument(context, "axes", 3) ?? starts.map((_, place) => place);
  const axes = axesOf(context, given, shape.length);
  const steps = context.version < 10 ? undefined : listArgument(context, "steps", 4);
  if (axes.length !== starts.length || (steps && steps.length !== starts.length)) {
    context.reject("TENSOR_BAD_INPUT", "starts, axes and steps are not of one length");
  }
  const result: SlicedAxis[] = shape.map((extent) => ({ start: 0, step: 1, extent }));
  for (const [place, axis] of axes.entries()) {
    const [extent, step] = [shape[axis]!, steps?.[place] ?? 1];
    if (step === 0) context.reject("TENSOR_BAD_INPUT", "a step is 0");
    const clamped = (value: number, low: number, high: number): number =>
      Math.min(Math.max(value < 0 ? value + extent : value, low), high);
    const start = step > 0 ? clamped(starts[place]!, 0, extent) : clamped(starts[place]!, 0, extent - 1);
    const end = step > 0 ? clamped(ends[place]!, 0, extent) : clamped(ends[place]!, -1, extent - 1);
    result[axis] = { start, step, extent: extent === 0 ? 0 : Math.max(0, Math.ceil((end - start) / step)) };
  }
  return result;
}

const slice = (since: number): OperatorDefinition => ({
  operator: "Slice",
  since,
  infer: (context) => [{ type: context.input(0).type, shape: slicedAxes(context).map(({ extent }) => extent) }],
  lower(context) {
    const axes = slicedAxes(context);
    const { shape } = context.input(0);
    if (axes.every(({ start, step, extent }, axis) => start === 0 && step === 1 && extent === shape[axis])) {
      return { form: "alias" };
    }
    return {
      form: "map",
      elementwise: false,
      at: (index, [input]) =>
        input!.at(
          axes.map(({ start, step, extent }, axis) =>
            // A step may be huge where just one element is taken.
            extent === 1 ? indexConstant(start) : add(mul(index[axis]!, indexConstant(step)), indexConstant(start)),
          ),
        ),
    };
  },
});

const tile: OperatorDefinition = {
  operator: "Tile",
  since: 6,
  infer(context) {
    const { type, shape } = context.input(0);
    const repeats = context.constantNumbers(1);
    if (repeats.length !== shape.length) {
      context.reject("TENSOR_BAD_INPUT", `${repeats.length} repeats for a tensor of rank ${shape.length}`);
    }
    return [
      {
        type,
        shape: checkedShape(
          context,
          shape.map((extent, axis) => extent * repeats[axis]!),
        ),
      },
    ];
  },
  lower(context) {
    const { shape } = context.input(0);
    const result = context.outputs[0]!.shape;
    return {
      form: "map",
      elementwise: false,
      at: (index, [input]) =>
        input!.at(
          shape.map((extent, axis) =>
            result[axis] === extent ? index[axis]! : rem(index[axis]!, indexConstant(extent)),
          ),
        ),
    };
  },
};

export const movementOperators: readonly OperatorDefinition[] = [
  transpose,
  expand,
  concat,
  split,
  slice(1),
  slice(10),
  tile,
];
