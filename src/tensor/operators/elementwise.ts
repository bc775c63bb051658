/**
 * How an elementwise operator is made from the function of one element: inputs broadcast together, one output.
 *
 * Families list such functions in tables; what is common (types, shapes, broadcasting, the map) is here once.
 */
import { type ElementType, elementCount, isFloat } from "../ir/element-type.ts";
import { constant, type Expr } from "../ir/expression.ts";
import { broadcastIndex, broadcastShapes } from "./broadcast.ts";
import type { OperatorContext } from "./context.ts";
import type { OperatorDefinition, TensorView } from "./definition.ts";

export type TypeGroup = "float" | "integer" | "number" | "bool" | "any";

const groups: Readonly<Record<TypeGroup, (type: ElementType) => boolean>> = {
  float: isFloat,
  integer: (type) => !isFloat(type) && type !== "bool",
  number: (type) => type !== "bool",
  bool: (type) => type === "bool",
  any: () => true,
};

/** Rejects the node where an input's type is not of the group. */
export function requireGroup(context: OperatorContext, group: TypeGroup, position = 0): ElementType {
  const { type } = context.input(position);
  if (!groups[group](type)) {
    context.reject("TENSOR_UNSUPPORTED_TYPE", `input ${position} is ${type}, which this operator does not take`);
  }
  return type;
}

/** Rejects the node where two inputs that must be of one type are not. */
export function requireSameType(context: OperatorContext, first: number, second: number): void {
  const [a, b] = [context.input(first).type, context.input(second).type];
  if (a !== b) context.reject("TENSOR_BAD_INPUT", `inputs ${first} and ${second} are ${a} and ${b}, not of one type`);
}

/** Rejects the node where an input is not one element. */
export function requireSingle(context: OperatorContext, position: number): void {
  const { shape } = context.input(position);
  if (elementCount(shape) !== 1) {
    context.reject("TENSOR_BAD_INPUT", `input ${position} of shape [${shape.join(",")}] is not a single element`);
  }
}

/** A constant of the type of another expression. */
export function like(value: Expr, number: number): Expr {
  return constant(value.type, number);
}

/** The element of an input that belongs to an index of the broadcast result. */
export function elementAt(view: TensorView, index: readonly Expr[]): Expr {
  return view.at(broadcastIndex(index, view.shape));
}

export interface ElementwiseOptions {
  readonly operator: string;
  readonly since: number;
  /** The number of inputs; `variadic` takes one or more. */
  readonly inputs: number | "variadic";
  /** Types of the inputs. */
  readonly group: TypeGroup;
  /** False where inputs may be of types that differ; `group` is then asked of the first alone. Default true. */
  readonly oneType?: boolean;
  /** Default: the first input's type. */
  readonly result?: (context: OperatorContext) => ElementType;
  readonly compute: (elements: readonly Expr[], context: OperatorContext) => Expr;
  /** Further conditions. */
  readonly check?: (context: OperatorContext) => void;
}

export function elementwise(options: ElementwiseOptions): OperatorDefinition {
  const { operator, since, inputs, group, oneType = true, compute } = options;
  return {
    operator,
    since,
    infer(context) {
      const count = inputs === "variadic" ? context.inputs.length : inputs;
      if (count === 0 || context.inputs.length > count) {
        context.reject("TENSOR_BAD_INPUT", `there are ${context.inputs.length} inputs`);
      }
      const type = requireGroup(context, group);
      const shapes = Array.from({ length: count }, (_, place) => {
        if (place > 0 && oneType) requireSameType(context, 0, place);
        return context.input(place).shape;
      });
      options.check?.(context);
      return [{ type: options.result?.(context) ?? type, shape: broadcastShapes(context, ...shapes) }];
    },
    lower: (context) => ({
      form: "map",
      elementwise: true,
      at: (index, views) =>
        compute(
          views.map((view) => elementAt(view!, index)),
          context,
        ),
    }),
  };
}
