/**
 * QLinearMatMul and QLinearConv: sums of products of centred 8-bit elements in 32-bit integers, brought to the
 * result's scale and rounded once.
 */
import { elementCount } from "../ir/element-type.ts";
import { add, cast, div, type Expr, index, mul } from "../ir/expression.ts";
import type { OperatorContext } from "./context.ts";
import { centred as centredByChannel, convolutionLoops, convolutionOf } from "./convolution.ts";
import type { LoopsIo, OperatorDefinition, TensorView } from "./definition.ts";
import { centred, productLoops, productOf } from "./matrix.ts";
import { isQuantized, quantized } from "./quantization.ts";

/** Inputs of both operators, by number; QLinearConv has a bias after them. */
const [left, leftScale, leftZero, right, rightScale, rightZero, resultScale, resultZero, bias] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8,
];

function checkTypes(context: OperatorContext): void {
  for (const operand of [left, right, resultZero]) {
    const { type } = context.input(operand);
    if (type !== "int8" && type !== "uint8") context.reject("TENSOR_UNSUPPORTED_TYPE", `input ${operand} is ${type}`);
  }
  for (const scale of [leftScale, rightScale, resultScale]) {
    if (context.input(scale).type !== "float32")
      context.reject("TENSOR_UNSUPPORTED_TYPE", `the scale ${scale} is not float32`);
  }
  for (const one of [resultScale, resultZero]) {
    if (elementCount(context.input(one).shape) !== 1)
      context.reject("TENSOR_UNSUPPORTED_FORM", "the result's scale is not one number");
  }
  for (const [operand, zero] of [
    [left, leftZero],
    [right, rightZero],
  ] as const) {
    if (context.input(operand).type !== context.input(zero).type)
      context.reject("TENSOR_BAD_INPUT", "an operand's zero point is of another type");
  }
  if (!isQuantized(context.input(resultZero).type))
    context.reject("TENSOR_UNSUPPORTED_TYPE", "the result is not quantized");
}

/** The only element, or the one at a place. */
function element(view: TensorView, place: Expr | undefined): Expr {
  return view.atOffset(elementCount(view.shape) === 1 || !place ? index(0) : place);
}

function requantized(
  sum: Expr,
  inputs: LoopsIo["inputs"],
  leftPlace: Expr | undefined,
  rightPlace: Expr | undefined,
): Expr {
  const scales = mul(element(inputs[leftScale]!, leftPlace), element(inputs[rightScale]!, rightPlace));
  const scaled = mul(cast("f32", sum), div(scales, element(inputs[resultScale]!, undefined)));
  return quantized(scaled, element(inputs[resultZero]!, undefined), inputs[resultZero]!.type);
}

/** A scale or zero point a row or column is a vector of that length, whose operand is a matrix. */
function checkVector(context: OperatorContext, input: number, extent: number | undefined): void {
  const { shape } = context.input(input);
  if (elementCount(shape) === 1) return;
  if (shape.length !== 1 || shape[0] !== extent)
    context.reject(
      "TENSOR_UNSUPPORTED_FORM",
      `input ${input} of shape [${shape}] is not one number or one a row or column`,
    );
}

const qLinearMatMul: OperatorDefinition = {
  operator: "QLinearMatMul",
  since: 10,
  infer(context) {
    checkTypes(context);
    const [a, b] = [context.input(left).shape, context.input(right).shape];
    for (const input of [leftScale, leftZero]) checkVector(context, input, a.length > 1 ? a.at(-2) : 1);
    for (const input of [rightScale, rightZero]) checkVector(context, input, b.length > 1 ? b.at(-1) : 1);
    return [{ type: context.input(resultZero).type, shape: productOf(context, a, b).output }];
  },
  lower(context) {
    const [a, b] = [context.input(left).shape, context.input(right).shape];
    const product = productOf(context, a, b);
    return {
      form: "loops",
      emit: (io) => {
        const own: LoopsIo = {
          inputs: [io.inputs[left], io.inputs[right]],
          outputs: io.outputs,
          build: io.build,
          scratch: io.scratch,
        };
        const finish = (sum: Expr, place: readonly Expr[]): Expr =>
          requantized(
            sum,
            io.inputs,
            a.length > 1 ? place.at(b.length > 1 ? -2 : -1) : undefined,
            b.length > 1 ? place.at(-1) : undefined,
          );
        const made = productLoops(
          product,
          "int32",
          centred(io.inputs[leftZero], -2),
          centred(io.inputs[rightZero], -1),
          finish,
        );
        return made.form === "loops" ? made.emit(own) : [];
      },
    };
  },
};

const qLinearConv: OperatorDefinition = {
  operator: "QLinearConv",
  since: 10,
  infer(context) {
    checkTypes(context);
    const { output } = convolutionOf(context, context.input(left).shape, context.input(right).shape);
    for (const input of [leftScale, leftZero]) checkVector(context, input, 1);
    for (const input of [rightScale, rightZero]) checkVector(context, input, output[1]);
    const added = context.inputs[bias];
    if (added && (added.type !== "int32" || String(added.shape) !== String([output[1]])))
      context.reject("TENSOR_BAD_INPUT", "the bias does not fit");
    return [{ type: context.input(resultZero).type, shape: output }];
  },
  lower(context) {
    const convolution = convolutionOf(context, context.input(left).shape, context.input(right).shape);
    return {
      form: "loops",
      emit: (io) => {
        const reads = [centredByChannel(io.inputs[leftZero], 0), centredByChannel(io.inputs[rightZero], 0)] as const;
        const made = convolutionLoops(convolution, "int32", [left, right], ...reads, (sum, place, inputs) => {
          const channel = place[1]!;
          const total = inputs[bias] ? add(sum, inputs[bias].at([channel])) : sum;
          return requantized(total, inputs, undefined, channel);
        });
        return made.form === "loops" ? made.emit(io) : [];
      },
    };
  },
};

export const quantizedProducts: readonly OperatorDefinition[] = [qLinearMatMul, qLinearConv];
