/** Changes of type, and operators that hand their input on. */
import { type ElementType, scalarTypeOf } from "../ir/element-type.ts";
import { cast, constant } from "../ir/expression.ts";
import { elementTypeOfOnnx } from "../ir/onnx-type.ts";
import type { OperatorContext } from "./context.ts";
import type { Lowering, OperatorDefinition } from "./definition.ts";

/** The element type an attribute names by ONNX's number. */
export function typeAttribute(context: OperatorContext, name: string, fallback?: number): ElementType {
  const number = context.int(name, fallback);
  const type = elementTypeOfOnnx[number];
  if (!type) context.reject("TENSOR_UNSUPPORTED_TYPE", `${name} names ONNX type ${number}`);
  return type;
}

/** Narrow types are wrapped or rounded where the result is stored. */
function castTo(from: ElementType, to: ElementType): Lowering {
  if (from === to) return { form: "alias" };
  return { form: "map", elementwise: true, at: (index, [input]) => cast(scalarTypeOf(to), input!.at(index)) };
}

/** Passes its input on; the mask says that nothing was dropped. Training with a ratio above 0 is random: refused. */
function dropout(since: number): OperatorDefinition {
  return {
    operator: "Dropout",
    since,
    infer(context) {
      const { type, shape } = context.input(0);
      if (since >= 12 && context.inputs[2]) {
        const training = context.constantNumbers(2)[0] !== 0;
        const ratio = training ? (context.inputs[1] ? context.constantNumbers(1)[0] : 0.5) : 0;
        if (ratio !== 0) context.reject("TENSOR_UNSUPPORTED_FORM", "training mode is random");
      }
      const mask = { type: since < 10 ? type : ("bool" as const), shape };
      return context.outputCount > 1 ? [{ type, shape }, mask] : [{ type, shape }];
    },
    lower(context) {
      if (context.outputCount < 2) return { form: "alias" };
      const one = constant(scalarTypeOf(since < 10 ? context.input(0).type : "bool"), 1);
      return {
        form: "map",
        elementwise: true,
        at: (index, [input], output) => (output === 0 ? input!.at(index) : one),
      };
    },
  };
}

export const castOperators: readonly OperatorDefinition[] = [
  {
    operator: "Cast",
    since: 6,
    infer: (context) => [{ type: typeAttribute(context, "to"), shape: context.input(0).shape }],
    lower: (context) => castTo(context.input(0).type, typeAttribute(context, "to")),
  },
  {
    operator: "CastLike",
    since: 15,
    infer: (context) => [{ type: context.input(1).type, shape: context.input(0).shape }],
    lower: (context) => castTo(context.input(0).type, context.input(1).type),
  },
  {
    operator: "Identity",
    since: 1,
    infer: (context) => [{ type: context.input(0).type, shape: context.input(0).shape }],
    lower: () => ({ form: "alias" }),
  },
  dropout(7),
  dropout(10),
  dropout(12),
];
