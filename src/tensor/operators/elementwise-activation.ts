/** Activation functions, in the forms ONNX defines; attributes have ONNX's defaults. */
import { add, compare, div, type Expr, max, min, mul, select, sub, unary } from "../ir/expression.ts";
import { broadcastShapes } from "./broadcast.ts";
import type { OperatorContext } from "./context.ts";
import type { OperatorDefinition } from "./definition.ts";
import { elementAt, elementwise, like, requireGroup, requireSameType, type TypeGroup } from "./elementwise.ts";
import { clamp, softplus } from "./elementwise-math.ts";

type Activation = (x: Expr, context: OperatorContext) => Expr;

const positive = (x: Expr): Expr => compare("gt", x, like(x, 0));
const negative = (x: Expr): Expr => compare("lt", x, like(x, 0));
const exponentialLess1 = (x: Expr): Expr => sub(unary("exp", x), like(x, 1));
const times = (x: Expr, factor: number): Expr => mul(x, like(x, factor));

function gelu(x: Expr, context: OperatorContext): Expr {
  const approximate = context.string("approximate", "none");
  if (approximate !== "none" && approximate !== "tanh") {
    context.reject("TENSOR_BAD_ATTRIBUTE", `approximate is ${JSON.stringify(approximate)}`);
  }
  const cube = mul(mul(x, x), x);
  const weight =
    approximate === "none"
      ? unary("erf", times(x, Math.SQRT1_2))
      : unary("tanh", times(add(x, times(cube, 0.044715)), Math.sqrt(2 / Math.PI)));
  return mul(times(x, 0.5), add(like(x, 1), weight));
}

function shrink(x: Expr, context: OperatorContext): Expr {
  const [bias, lambda] = [like(x, context.float("bias", 0)), context.float("lambd", 0.5)];
  const above = select(compare("gt", x, like(x, lambda)), sub(x, bias), like(x, 0));
  return select(compare("lt", x, like(x, -lambda)), add(x, bias), above);
}

const activations: readonly (readonly [operator: string, since: number, group: TypeGroup, activation: Activation])[] = [
  ["Relu", 6, "number", (x) => max(x, like(x, 0))],
  ["LeakyRelu", 6, "float", (x, context) => select(negative(x), times(x, context.float("alpha", 0.01)), x)],
  ["Elu", 6, "float", (x, context) => select(negative(x), times(exponentialLess1(x), context.float("alpha", 1)), x)],
  [
    "Celu",
    12,
    "float",
    (x, context) => {
      const alpha = context.float("alpha", 1);
      const below = times(exponentialLess1(div(x, like(x, alpha))), alpha);
      return add(max(x, like(x, 0)), min(like(x, 0), below));
    },
  ],
  [
    "Selu",
    6,
    "float",
    (x, context) => {
      const alpha = context.float("alpha", 1.67326319217681884765625);
      const below = times(exponentialLess1(x), alpha);
      return times(select(positive(x), x, below), context.float("gamma", 1.05070102214813232421875));
    },
  ],
  [
    "HardSigmoid",
    6,
    "float",
    (x, context) => clamp(add(times(x, context.float("alpha", 0.2)), like(x, context.float("beta", 0.5))), 0, 1),
  ],
  ["HardSwish", 14, "float", (x) => mul(x, clamp(add(times(x, 1 / 6), like(x, 0.5)), 0, 1))],
  ["Softplus", 1, "float", softplus],
  ["Softsign", 1, "float", (x) => div(x, add(like(x, 1), unary("abs", x)))],
  [
    "ThresholdedRelu",
    10,
    "float",
    (x, context) => select(compare("gt", x, like(x, context.float("alpha", 1))), x, like(x, 0)),
  ],
  ["Shrink", 9, "number", shrink],
  ["Gelu", 20, "float", gelu],
  ["Mish", 18, "float", (x) => mul(x, unary("tanh", softplus(x)))],
  ["Swish", 24, "float", (x, context) => mul(x, unary("sigmoid", times(x, context.float("alpha", 1))))],
];

/** The slope broadcasts to the input, never the other way. */
const parametricRelu: OperatorDefinition = {
  operator: "PRelu",
  since: 7,
  infer(context) {
    const type = requireGroup(context, "number");
    requireSameType(context, 0, 1);
    const { shape } = context.input(0);
    const common = broadcastShapes(context, shape, context.input(1).shape);
    if (common.length !== shape.length || common.some((extent, axis) => extent !== shape[axis])) {
      const slope = context.input(1).shape.join(",");
      context.reject("TENSOR_SHAPE_MISMATCH", `slope [${slope}] does not broadcast to [${shape.join(",")}]`);
    }
    return [{ type, shape }];
  },
  lower: () => ({
    form: "map",
    elementwise: true,
    at(index, [input, slope]) {
      const x = input!.at(index);
      const below = mul(x, elementAt(slope!, index));
      return x.type === "u32" || x.type === "u64" ? x : select(negative(x), below, x);
    },
  }),
};

export const activationOperators: readonly OperatorDefinition[] = [
  ...activations.map(([operator, since, group, activation]) =>
    elementwise({ operator, since, inputs: 1, group, compute: ([x], context) => activation(x!, context) }),
  ),
  parametricRelu,
];
