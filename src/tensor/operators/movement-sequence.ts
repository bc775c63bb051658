/** Operators along one axis whose order matters: CumSum, ReverseSequence, Compress; and Trilu. */
import { assert } from "../../base/index.ts";
import { elementCount, type Shape, scalarTypeOf } from "../ir/element-type.ts";
import {
  add,
  cast,
  compare,
  constant,
  type Expr,
  index as indexConstant,
  max,
  min,
  select,
  sub,
} from "../ir/expression.ts";
import type { Stmt } from "../ir/kernel.ts";
import type { OperatorContext } from "./context.ts";
import type { OperatorDefinition, TensorView } from "./definition.ts";
import { requireGroup, requireSingle } from "./elementwise.ts";

/** An index with a part put in. */
function inserted(index: readonly Expr[], axis: number, part: Expr): readonly Expr[] {
  return [...index.slice(0, axis), part, ...index.slice(axis)];
}

/** An axis given as an input of one number known now. */
function axisInput(context: OperatorContext, position: number): number {
  const numbers = context.constantNumbers(position);
  if (numbers.length !== 1) context.reject("TENSOR_BAD_INPUT", `the axis is ${numbers.length} numbers, not one`);
  return context.axis(numbers[0]!, context.input(0).shape.length);
}

const cumulativeSum: OperatorDefinition = {
  operator: "CumSum",
  since: 11,
  infer(context) {
    const type = requireGroup(context, "number");
    axisInput(context, 1);
    return [{ type, shape: context.input(0).shape }];
  },
  lower(context) {
    const axis = axisInput(context, 1);
    const exclusive = context.int("exclusive", 0) !== 0;
    const reverse = context.int("reverse", 0) !== 0;
    const { shape, type } = context.input(0);
    const extent = shape[axis]!;
    return {
      form: "loops",
      emit({ inputs, outputs, build }) {
        const sum = build.variable(scalarTypeOf(type));
        return build.eachIndex(shape.toSpliced(axis, 1), (others) => [
          { do: "assign", target: sum, value: constant(sum.type, 0) },
          build.sequence(extent, (step) => {
            const along = reverse ? sub(indexConstant(extent - 1), step) : step;
            const place = inserted(others, axis, along);
            const total: Stmt = { do: "assign", target: sum, value: add(sum, inputs[0]!.at(place)) };
            const store = outputs[0]!.store(place, sum);
            return exclusive ? [...store, total] : [total, ...store];
          }),
        ]);
      },
    };
  },
};

const reverseSequence: OperatorDefinition = {
  operator: "ReverseSequence",
  since: 10,
  infer(context) {
    const { type, shape } = context.input(0);
    const [batch, time] = sequenceAxes(context);
    const lengths = context.input(1).shape;
    if (batch === time || lengths.length !== 1 || lengths[0] !== shape[batch]) {
      const text = `lengths of shape [${lengths.join(",")}] do not fit [${shape.join(",")}]`;
      context.reject("TENSOR_SHAPE_MISMATCH", text);
    }
    requireGroup(context, "integer", 1);
    return [{ type, shape }];
  },
  lower(context) {
    const [batch, time] = sequenceAxes(context);
    const extent = context.input(0).shape[time]!;
    return {
      form: "map",
      elementwise: false,
      at(index, [input, lengths]) {
        const length = cast("i32", lengths!.at([index[batch]!]));
        const step = index[time]!;
        const mirrored = sub(sub(length, indexConstant(1)), step);
        const clamped = min(max(mirrored, indexConstant(0)), indexConstant(extent - 1));
        return input!.at(index.with(time, select(compare("lt", step, length), clamped, step)));
      },
    };
  },
};

function sequenceAxes(context: OperatorContext): readonly [batch: number, time: number] {
  const rank = context.input(0).shape.length;
  return [context.axis(context.int("batch_axis", 1), rank), context.axis(context.int("time_axis", 0), rank)];
}

/** The condition decides about the shape, so it is known now; what is kept is found by counting in order. */
const compress: OperatorDefinition = {
  operator: "Compress",
  since: 9,
  infer(context) {
    const { type, shape } = context.input(0);
    requireGroup(context, "bool", 1);
    if (context.input(1).shape.length !== 1) context.reject("TENSOR_SHAPE_MISMATCH", "the condition is not a list");
    const { axis, extent } = compressed(context);
    const condition = context.constantNumbers(1);
    if (condition.length > extent) {
      context.reject("TENSOR_SHAPE_MISMATCH", `the condition has ${condition.length} elements for ${extent}`);
    }
    const kept = condition.filter((one) => one !== 0).length;
    return [{ type, shape: axis === undefined ? [kept] : shape.with(axis, kept) }];
  },
  lower(context) {
    const { axis } = compressed(context);
    const { shape } = context.input(0);
    const conditions = elementCount(context.input(1).shape);
    return {
      form: "loops",
      emit({ inputs: [input, condition], outputs, build }) {
        const kept = build.variable("i32");
        const keep = (step: Expr): readonly Stmt[] => {
          if (axis === undefined) return outputs[0]!.store([kept], input!.atOffset(step));
          return build.eachIndex(shape.toSpliced(axis, 1), (others) => {
            const [to, from] = [kept, step].map((along) => inserted(others, axis, along));
            return outputs[0]!.store(to!, input!.at(from!));
          });
        };
        return [
          { do: "assign", target: kept, value: indexConstant(0) },
          build.sequence(conditions, (step) => [
            {
              do: "if",
              condition: condition!.at([step]),
              then: [...keep(step), { do: "assign", target: kept, value: add(kept, indexConstant(1)) }],
              otherwise: [],
            },
          ]),
        ];
      },
    };
  },
};

function compressed(context: OperatorContext): { readonly axis: number | undefined; readonly extent: number } {
  const { shape } = context.input(0);
  if (!context.has("axis")) return { axis: undefined, extent: elementCount(shape) };
  const axis = context.axis(context.int("axis"), shape.length);
  return { axis, extent: shape[axis]! };
}

function diagonalOf(k: TensorView | undefined): Expr {
  return k ? cast("i32", k.atOffset(indexConstant(0))) : indexConstant(0);
}

function requireMatrix(context: OperatorContext, shape: Shape): void {
  if (shape.length < 2) context.reject("TENSOR_SHAPE_MISMATCH", `the input has rank ${shape.length}, less than 2`);
}

const triangle: OperatorDefinition = {
  operator: "Trilu",
  since: 14,
  infer(context) {
    const { type, shape } = context.input(0);
    requireMatrix(context, shape);
    if (context.inputs[1]) {
      requireGroup(context, "integer", 1);
      requireSingle(context, 1);
    }
    return [{ type, shape }];
  },
  lower(context) {
    const upper = context.int("upper", 1) !== 0;
    const zero = constant(scalarTypeOf(context.input(0).type), 0);
    return {
      form: "map",
      elementwise: false,
      at(index, [input, k]) {
        const [row, column] = index.slice(-2);
        assert(row && column, "a matrix has rows and columns");
        const diagonal = sub(column, row);
        return select(compare(upper ? "ge" : "le", diagonal, diagonalOf(k)), input!.at(index), zero);
      },
    };
  },
};

export const sequenceOperators: readonly OperatorDefinition[] = [cumulativeSum, reverseSequence, compress, triangle];
