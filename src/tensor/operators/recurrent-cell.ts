/** What RNN, GRU and LSTM share: their attributes, shapes, activation functions and sums of products. */
import { elementCount, type Shape, scalarTypeOf } from "../ir/element-type.ts";
import { add, compare, constant, div, type Expr, index, max, min, mul, select, sub, unary } from "../ir/expression.ts";
import type { OperatorContext } from "./context.ts";
import type { InferredOutput, LoopsIo, TensorView } from "./definition.ts";
import { combine } from "./reduction.ts";

export type Activation = (x: Expr) => Expr;

interface ActivationKind {
  /** Defaults of the parameters it takes, in order; absent ones are not taken. */
  readonly alpha?: number;
  readonly beta?: number;
  make(alpha: number, beta: number): Activation;
}

const of = (x: Expr, value: number): Expr => constant(x.type, value);
const zeroOf = (x: Expr): Expr => of(x, 0);

const kinds: Readonly<Record<string, ActivationKind>> = {
  relu: { make: () => (x) => max(x, zeroOf(x)) },
  tanh: { make: () => (x) => unary("tanh", x) },
  sigmoid: { make: () => (x) => unary("sigmoid", x) },
  softsign: { make: () => (x) => div(x, add(of(x, 1), unary("abs", x))) },
  softplus: {
    // max(x, 0) + log(1 + exp(-|x|)), so that nothing overflows.
    make: () => (x) => add(max(x, zeroOf(x)), unary("log", add(of(x, 1), unary("exp", unary("neg", unary("abs", x)))))),
  },
  affine: { alpha: 1, beta: 0, make: (alpha, beta) => (x) => add(mul(x, of(x, alpha)), of(x, beta)) },
  leakyrelu: {
    alpha: 0.01,
    make: (alpha) => (x) => select(compare("ge", x, zeroOf(x)), x, mul(x, of(x, alpha))),
  },
  thresholdedrelu: {
    alpha: 1,
    make: (alpha) => (x) => select(compare("gt", x, of(x, alpha)), x, zeroOf(x)),
  },
  scaledtanh: {
    alpha: 1,
    beta: 1,
    make: (alpha, beta) => (x) => mul(unary("tanh", mul(x, of(x, beta))), of(x, alpha)),
  },
  hardsigmoid: {
    alpha: 0.2,
    beta: 0.5,
    make: (alpha, beta) => (x) => min(max(add(mul(x, of(x, alpha)), of(x, beta)), zeroOf(x)), of(x, 1)),
  },
  elu: {
    alpha: 1,
    make: (alpha) => (x) =>
      select(compare("ge", x, zeroOf(x)), x, mul(sub(unary("exp", min(x, zeroOf(x))), of(x, 1)), of(x, alpha))),
  },
};

export interface Recurrence {
  readonly steps: number;
  readonly batch: number;
  readonly inputs: number;
  readonly hidden: number;
  readonly gates: number;
  /** One entry a direction: whether it walks backwards. */
  readonly reverse: readonly boolean[];
  readonly batchFirst: boolean;
  /** For each direction, one function a kind of gate, in ONNX's order. */
  readonly activations: readonly (readonly Activation[])[];
}

/** Reads and checks what all three operators have in common. */
export function recurrenceOf(context: OperatorContext, gates: number, defaults: readonly string[]): Recurrence {
  const [x, w, r, bias] = [context.input(0), context.input(1), context.input(2), context.inputs[3]];
  if (x.type !== "float32" && x.type !== "float64") context.reject("TENSOR_UNSUPPORTED_TYPE", `${x.type} is not taken`);
  const direction = context.string("direction", "forward");
  const walks = { forward: [false], reverse: [true], bidirectional: [false, true] }[direction];
  if (!walks) context.reject("TENSOR_BAD_ATTRIBUTE", `direction is ${JSON.stringify(direction)}`);
  const batchFirst = context.version >= 14 && context.int("layout", 0) === 1;
  if (x.shape.length !== 3)
    context.reject("TENSOR_SHAPE_MISMATCH", `a sequence of shape [${x.shape}] has no three axes`);
  const [first, second, inputs] = x.shape as [number, number, number];
  const [steps, batch] = batchFirst ? [second, first] : [first, second];
  const hidden = r.shape[2] ?? 0;
  const directions = walks.length;
  const expect = (name: string, found: Shape | undefined, wanted: Shape): void => {
    if (found && String(found) !== String(wanted))
      context.reject("TENSOR_SHAPE_MISMATCH", `${name} is [${found}], not [${wanted}]`);
  };
  expect("W", w.shape, [directions, gates * hidden, inputs]);
  expect("R", r.shape, [directions, gates * hidden, hidden]);
  expect("B", bias?.shape, [directions, 2 * gates * hidden]);
  expect("sequence_lens", context.inputs[4]?.shape, [batch]);
  const state = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  expect("initial_h", context.inputs[5]?.shape, state);
  if (gates === 4) {
    expect("initial_c", context.inputs[6]?.shape, state);
    expect("P", context.inputs[7]?.shape, [directions, 3 * hidden]);
  }
  if (context.int("hidden_size", hidden) !== hidden)
    context.reject("TENSOR_BAD_ATTRIBUTE", `hidden_size is not ${hidden}`);
  const activations = activationsOf(context, directions, defaults);
  return { steps, batch, inputs, hidden, gates, reverse: walks, batchFirst, activations };
}

function activationsOf(context: OperatorContext, directions: number, defaults: readonly string[]): Activation[][] {
  const attribute = context.node.attributes["activations"];
  const given = attribute?.kind === "strings" ? attribute.value : [];
  const names = given.length > 0 ? given : Array.from({ length: directions }, () => defaults).flat();
  if (names.length !== directions * defaults.length) {
    context.reject("TENSOR_BAD_ATTRIBUTE", `${names.length} activations for ${directions} directions`);
  }
  const alphas = [...context.floats("activation_alpha", [])];
  const betas = [...context.floats("activation_beta", [])];
  const made = names.map((name) => {
    const kind = kinds[name.toLowerCase()];
    if (!kind) context.reject("TENSOR_UNSUPPORTED_FORM", `activation ${JSON.stringify(name)} is not known`);
    const alpha = kind.alpha === undefined ? 0 : (alphas.shift() ?? kind.alpha);
    const beta = kind.beta === undefined ? 0 : (betas.shift() ?? kind.beta);
    return kind.make(alpha, beta);
  });
  return Array.from({ length: directions }, (_, place) =>
    made.slice(place * defaults.length, (place + 1) * defaults.length),
  );
}

export function inferRecurrent(context: OperatorContext, recurrence: Recurrence, states: number): InferredOutput[] {
  const { steps, batch, hidden, reverse, batchFirst } = recurrence;
  const { type } = context.input(0);
  const directions = reverse.length;
  const all = batchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden];
  const last = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  return [{ type, shape: all }, ...Array.from({ length: states }, () => ({ type, shape: last }))];
}

/** Element [direction, batch, unit] of a state tensor, or 0 where there is none. */
export function stateAt(
  view: TensorView | undefined,
  recurrence: Recurrence,
  place: readonly [Expr, Expr, Expr],
  type: Expr["type"],
): Expr {
  if (!view) return constant(type, 0);
  const [direction, batch, unit] = place;
  return view.at(recurrence.batchFirst ? [batch, direction, unit] : [direction, batch, unit]);
}

/** The sum of `weights[direction, row, k] * value(k)` over k. */
export function weighted(io: LoopsIo, weights: TensorView, direction: Expr, row: Expr, value: (k: Expr) => Expr) {
  const extent = weights.shape[2]!;
  const zero = constant(scalarTypeOf(weights.type), 0);
  if (elementCount([extent]) === 0) return { statements: [], result: zero as Expr };
  return combine(io, [extent], "add", zero, ([k]) => mul(weights.at([direction, row, k!]), value(k!)));
}

/** Both biases of a gate's row, added. */
export function biasOf(
  io: LoopsIo,
  recurrence: Recurrence,
  direction: Expr,
  row: Expr,
): { readonly input: Expr; readonly recurrent: Expr } | undefined {
  const view = io.inputs[3];
  if (!view) return undefined;
  const half = recurrence.gates * recurrence.hidden;
  return { input: view.at([direction, row]), recurrent: view.at([direction, add(row, index(half))]) };
}

/** What clips an activation's input. */
export function clipperOf(context: OperatorContext): Activation {
  if (!context.has("clip")) return (x) => x;
  const clip = context.float("clip");
  if (!(clip > 0)) context.reject("TENSOR_BAD_ATTRIBUTE", `clip is ${clip}`);
  return (x) => min(max(x, of(x, -clip)), of(x, clip));
}
