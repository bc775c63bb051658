/**
 * Convolution. ONNX's Conv is plain loops in NCHW, for every rank and type; the layout pass turns two-dimensional
 * float32 ones into ConvolutionChannelsLast, which is a contraction. ConvTranspose gathers, for each output element,
 * the taps that reach it.
 */
import { type ElementType, type Shape, scalarTypeOf } from "../ir/element-type.ts";
import {
  add,
  and,
  cast,
  compare,
  constant,
  div,
  type Expr,
  index,
  max,
  min,
  mul,
  rem,
  select,
  sub,
} from "../ir/expression.ts";
import type { OperatorContext } from "./context.ts";
import type { Lowering, OperatorDefinition, TensorView } from "./definition.ts";
import { checkIntegerOperands } from "./matrix.ts";
import { combine } from "./reduction.ts";
import { tapOf, type Window, windowOf } from "./window.ts";

export interface Convolution {
  readonly window: Window;
  readonly groups: number;
  readonly perGroup: number;
  readonly outPerGroup: number;
  readonly output: number[];
}

export function convolutionOf(context: OperatorContext, input: Shape, weights: Shape): Convolution {
  if (input.length < 3 || weights.length !== input.length) {
    context.reject("TENSOR_SHAPE_MISMATCH", `input [${input}] and weights [${weights}] do not go together`);
  }
  const groups = context.int("group", 1);
  const [outChannels, perGroup] = weights as [number, number];
  if (groups < 1 || perGroup * groups !== input[1] || outChannels % groups !== 0) {
    context.reject("TENSOR_SHAPE_MISMATCH", `${input[1]} channels in ${groups} groups do not fit weights [${weights}]`);
  }
  const kernel = context.ints("kernel_shape", weights.slice(2));
  if (String(kernel) !== String(weights.slice(2)))
    context.reject("TENSOR_SHAPE_MISMATCH", `kernel_shape [${kernel}] but weights [${weights}]`);
  const window = windowOf(context, input.slice(2), kernel);
  return {
    window,
    groups,
    perGroup,
    outPerGroup: outChannels / groups,
    output: [input[0]!, outChannels, ...window.output],
  };
}

export type Read = (view: TensorView, place: readonly Expr[]) => Expr;

/** Convolution as loops, elements read by `left` and `right` in the type sums are made in. */
export function convolutionLoops(
  convolution: Convolution,
  type: ElementType,
  operands: readonly [number, number],
  left: Read,
  right: Read,
  finish: (sum: Expr, place: readonly Expr[], inputs: readonly (TensorView | undefined)[]) => Expr,
): Lowering {
  const { window, perGroup, outPerGroup, output } = convolution;
  const scalar = scalarTypeOf(type);
  return {
    form: "loops",
    emit: (io) =>
      io.build.eachIndex(output, (place) => {
        const [batch, channel, ...spatial] = place as unknown as [Expr, Expr, ...Expr[]];
        const input = io.inputs[operands[0]]!;
        const weights = io.inputs[operands[1]]!;
        const from = mul(div(channel, index(outPerGroup)), index(perGroup));
        const { statements, result } = combine(
          io,
          [perGroup, ...window.kernel],
          "add",
          constant(scalar, 0),
          ([c, ...tap]) => {
            const at = tapOf(window, spatial, tap);
            const value = left(input, [batch, add(from, c!), ...at.index]);
            const product = mul(value, right(weights, [channel, c!, ...tap]));
            return at.inside ? select(at.inside, product, constant(scalar, 0)) : product;
          },
        );
        return [...statements, ...io.outputs[0]!.store(place, finish(result, place, io.inputs))];
      }),
  };
}

const plain: Read = (view, place) => view.at(place);

const conv: OperatorDefinition = {
  operator: "Conv",
  since: 1,
  infer(context) {
    const [x, w, bias] = [context.input(0), context.input(1), context.inputs[2]];
    if (bias && String(bias.shape) !== String([w.shape[0]]))
      context.reject("TENSOR_SHAPE_MISMATCH", `bias [${bias.shape}] for ${w.shape[0]} channels`);
    if (w.type !== x.type || (bias && bias.type !== x.type))
      context.reject("TENSOR_UNSUPPORTED_TYPE", "the operands are of different types");
    return [{ type: x.type, shape: convolutionOf(context, x.shape, w.shape).output }];
  },
  lower(context) {
    const [x, w] = [context.input(0), context.input(1)];
    const convolution = convolutionOf(context, x.shape, w.shape);
    return convolutionLoops(convolution, x.type, [0, 1], plain, plain, (sum, place, inputs) =>
      inputs[2] ? add(sum, inputs[2].at([place[1]!])) : sum,
    );
  },
};

const channelsLast: OperatorDefinition = {
  operator: "ConvolutionChannelsLast",
  domain: "holdfast",
  since: 1,
  infer(context) {
    const { window, output } = channelsLastOf(context);
    return [{ type: "float32", shape: [output[0]!, ...window.output, output[1]!] }];
  },
  lower(context) {
    const { shape } = context.input(0);
    const { window, groups, output } = channelsLastOf(context);
    return {
      form: "contraction",
      operands: [0, 1],
      describe: (input, weights) => ({
        form: "convolution",
        batch: shape[0]!,
        inHeight: shape[1]!,
        inWidth: shape[2]!,
        inChannels: shape[3]!,
        outHeight: window.output[0]!,
        outWidth: window.output[1]!,
        outChannels: output[1]!,
        kernelHeight: window.kernel[0]!,
        kernelWidth: window.kernel[1]!,
        strideY: window.strides[0]!,
        strideX: window.strides[1]!,
        dilationY: window.dilations[0]!,
        dilationX: window.dilations[1]!,
        padTop: window.padsBegin[0]!,
        padLeft: window.padsBegin[1]!,
        groups,
        input,
        weights,
      }),
      finish: (sum, place, inputs) => (inputs[2] ? add(sum, inputs[2].at([place[3]!])) : sum),
    };
  },
};

function channelsLastOf(context: OperatorContext): Convolution {
  const [n, h, w, c] = context.input(0).shape as [number, number, number, number];
  return convolutionOf(context, [n, c, h, w], context.input(1).shape);
}

/** An 8-bit element less its zero point; `axis` is that of a zero point a channel. */
export function centred(zeroPoint: TensorView | undefined, axis: number): Read {
  return (view, place) => {
    const value = cast("i32", view.at(place));
    if (!zeroPoint) return value;
    const single = zeroPoint.shape.every((extent) => extent === 1);
    return sub(value, cast("i32", zeroPoint.atOffset(single ? index(0) : place[axis]!)));
  };
}

const convInteger: OperatorDefinition = {
  operator: "ConvInteger",
  since: 10,
  infer(context) {
    const { output } = convolutionOf(context, context.input(0).shape, context.input(1).shape);
    checkIntegerOperands(context, [1, output[1]]);
    return [{ type: "int32", shape: output }];
  },
  lower(context) {
    const convolution = convolutionOf(context, context.input(0).shape, context.input(1).shape);
    return {
      form: "loops",
      emit: (io) => {
        const made = convolutionLoops(
          convolution,
          "int32",
          [0, 1],
          centred(io.inputs[2], 0),
          centred(io.inputs[3], 0),
          (sum) => sum,
        );
        return made.form === "loops" ? made.emit(io) : [];
      },
    };
  },
};

interface Transposed {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padsBegin: number[];
  readonly output: number[];
  readonly kernel: readonly number[];
  readonly groups: number;
}

function transposedOf(context: OperatorContext): Transposed {
  const [x, w] = [context.input(0), context.input(1)];
  const rank = x.shape.length - 2;
  if (rank < 1 || w.shape.length !== x.shape.length || x.shape[1] !== w.shape[0]) {
    context.reject("TENSOR_SHAPE_MISMATCH", `input [${x.shape}] and weights [${w.shape}] do not go together`);
  }
  const ones = new Array<number>(rank).fill(1);
  const kernel = w.shape.slice(2);
  const strides = context.ints("strides", ones);
  const dilations = context.ints("dilations", ones);
  const groups = context.int("group", 1);
  const extra = context.ints("output_padding", new Array<number>(rank).fill(0));
  const pads = context.ints("pads", new Array<number>(rank * 2).fill(0));
  const mode = context.string("auto_pad", "NOTSET");
  const wanted = context.ints("output_shape", []);
  const lists = [strides, dilations, extra].every((list) => list.length === rank) && pads.length === 2 * rank;
  if (
    !lists ||
    [...strides, ...dilations, ...kernel].some((value) => !(value >= 1)) ||
    [...pads, ...extra].some((value) => !(value >= 0))
  ) {
    context.reject(
      "TENSOR_BAD_ATTRIBUTE",
      `strides, dilations, pads or output_padding do not fit ${rank} spatial axes`,
    );
  }
  if (wanted.length > 0 && wanted.length < rank)
    context.reject("TENSOR_BAD_ATTRIBUTE", `output_shape [${wanted}] for ${rank} spatial axes`);
  if (groups < 1 || x.shape[1]! % groups !== 0)
    context.reject("TENSOR_SHAPE_MISMATCH", `${x.shape[1]} channels in ${groups} groups`);
  const padsBegin: number[] = [];
  const output: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const reach = (kernel[axis]! - 1) * dilations[axis]! + 1;
    const full = (x.shape[axis + 2]! - 1) * strides[axis]! + extra[axis]! + reach;
    const same = mode === "SAME_UPPER" || mode === "SAME_LOWER";
    const fixed = wanted.length > 0 ? wanted.at(axis - rank)! : same ? x.shape[axis + 2]! * strides[axis]! : undefined;
    if (fixed !== undefined) {
      const total = Math.max(0, full - fixed);
      const less = Math.floor(total / 2);
      padsBegin.push(mode === "SAME_UPPER" ? less : total - less);
      output.push(fixed);
    } else {
      padsBegin.push(mode === "VALID" ? 0 : pads[axis]!);
      output.push(full - (mode === "VALID" ? 0 : pads[axis]! + pads[rank + axis]!));
    }
  }
  if (output.some((extent) => extent < 1))
    context.reject("TENSOR_SHAPE_MISMATCH", `its result would have shape [${output}]`);
  return { strides, dilations, padsBegin, output, kernel, groups };
}

const convTranspose: OperatorDefinition = {
  operator: "ConvTranspose",
  since: 1,
  infer(context) {
    const { output, groups } = transposedOf(context);
    const [x, w, bias] = [context.input(0), context.input(1), context.inputs[2]];
    const channels = w.shape[1]! * groups;
    if (w.type !== x.type || (bias && bias.type !== x.type))
      context.reject("TENSOR_UNSUPPORTED_TYPE", "the operands are of different types");
    if (bias && String(bias.shape) !== String([channels]))
      context.reject("TENSOR_SHAPE_MISMATCH", `bias [${bias.shape}] for ${channels} channels`);
    return [{ type: x.type, shape: [x.shape[0]!, channels, ...output] }];
  },
  lower(context) {
    const transposed = transposedOf(context);
    const [x, w] = [context.input(0), context.input(1)];
    const { strides, dilations, padsBegin, output, kernel, groups } = transposed;
    const outPerGroup = w.shape[1]!;
    const inPerGroup = x.shape[1]! / groups;
    const scalar = scalarTypeOf(x.type);
    const zero = constant(scalar, 0);
    return {
      form: "loops",
      emit: (io) =>
        io.build.eachIndex([x.shape[0]!, outPerGroup * groups, ...output], (place) => {
          const [batch, channel, ...spatial] = place as unknown as [Expr, Expr, ...Expr[]];
          const group = div(channel, index(outPerGroup));
          const { statements, result } = combine(io, [inPerGroup, ...kernel], "add", zero, ([c, ...tap]) => {
            let inside: Expr = constant("bool", 1);
            const at = spatial.map((out, axis) => {
              // out + pad = in·stride + tap·dilation, solved for in.
              const reached = sub(add(out, index(padsBegin[axis]!)), mul(tap[axis]!, index(dilations[axis]!)));
              const source = div(reached, index(strides[axis]!));
              const bounded = min(max(source, index(0)), index(x.shape[axis + 2]! - 1));
              const exact = and(
                compare("eq", rem(reached, index(strides[axis]!)), index(0)),
                compare("ge", reached, index(0)),
              );
              inside = and(inside, and(exact, compare("eq", source, bounded)));
              return bounded;
            });
            const from = add(mul(group, index(inPerGroup)), c!);
            const value = io.inputs[0]!.at([batch, from, ...at]);
            const weight = io.inputs[1]!.at([from, rem(channel, index(outPerGroup)), ...tap]);
            return select(inside, mul(value, weight), zero);
          });
          const finished = io.inputs[2] ? add(result, io.inputs[2].at([channel])) : result;
          return [...statements, ...io.outputs[0]!.store(place, finished)];
        }),
    };
  },
};

export const convolution: readonly OperatorDefinition[] = [conv, channelsLast, convInteger, convTranspose];
