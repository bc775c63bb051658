/**
 * Between floats and small integers: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
 *
 * Scale and zero point are one number, one a place along `axis`, or (from version 21) one a block of `block_size`
 * places along it. Rounding is half to even; results outside the integer type saturate.
 */
import { type ElementType, elementCount, type Shape, scalarTypeOf } from "../ir/element-type.ts";
import {
  add,
  cast,
  compare,
  constant,
  div,
  type Expr,
  index,
  max,
  min,
  mul,
  select,
  sub,
  unary,
} from "../ir/expression.ts";
import { linearize } from "./broadcast.ts";
import type { OperatorContext } from "./context.ts";
import type { OperatorDefinition, TensorView } from "./definition.ts";
import { combine } from "./reduction.ts";

const ranges: Partial<Readonly<Record<ElementType, readonly [number, number]>>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
};

/** A float rounded, moved by the zero point (an i32) and brought into the range of an integer type. */
export function quantized(value: Expr, zeroPoint: Expr | undefined, type: ElementType): Expr {
  const [low, high] = ranges[type]!;
  const rounded = unary("nearest", value);
  const moved = zeroPoint ? add(rounded, cast(value.type, zeroPoint)) : rounded;
  return cast("i32", min(max(moved, constant(value.type, low)), constant(value.type, high)));
}

export function isQuantized(type: ElementType): boolean {
  return ranges[type] !== undefined;
}

/** Where an element's scale lies in the scales. */
type ScaleOffset = (place: readonly Expr[]) => Expr;

interface Granularity {
  readonly single: boolean;
  readonly offset: ScaleOffset;
}

function granularityOf(context: OperatorContext, shape: Shape, scale: Shape): Granularity {
  const blockSize = context.version >= 21 ? context.int("block_size", 0) : 0;
  if (blockSize === 0 && elementCount(scale) === 1 && scale.length <= 1)
    return { single: true, offset: () => index(0) };
  if (context.version < 13) context.reject("TENSOR_SHAPE_MISMATCH", `the scale of shape [${scale}] is not one number`);
  const axis = context.axis(context.int("axis", 1), shape.length);
  if (blockSize === 0) {
    if (scale.length !== 1 || scale[0] !== shape[axis]) {
      context.reject("TENSOR_SHAPE_MISMATCH", `scales of shape [${scale}] for axis ${axis} of [${shape}]`);
    }
    return { single: false, offset: (place) => place[axis]! };
  }
  const wanted = blockSize > 0 ? shape.with(axis, Math.ceil(shape[axis]! / blockSize)) : [];
  if (String(wanted) !== String(scale)) {
    context.reject(
      "TENSOR_SHAPE_MISMATCH",
      `scales of shape [${scale}] for blocks of ${blockSize} of axis ${axis} of [${shape}]`,
    );
  }
  return { single: false, offset: (place) => linearize(place.with(axis, div(place[axis]!, index(blockSize))), scale) };
}

function checkZeroPoint(context: OperatorContext, type: ElementType): void {
  const [scale, zeroPoint] = [context.input(1), context.inputs[2]];
  if (scale.type !== "float32" && scale.type !== "float16" && scale.type !== "bfloat16") {
    context.reject("TENSOR_UNSUPPORTED_TYPE", `the scale is ${scale.type}`);
  }
  if (!zeroPoint) return;
  if (elementCount(zeroPoint.shape) !== elementCount(scale.shape)) {
    context.reject("TENSOR_SHAPE_MISMATCH", `zero points [${zeroPoint.shape}] for scales [${scale.shape}]`);
  }
  if (zeroPoint.type !== type)
    context.reject("TENSOR_UNSUPPORTED_TYPE", `a zero point of ${zeroPoint.type} for ${type}`);
}

const at = (view: TensorView | undefined, offset: Expr): Expr | undefined => view?.atOffset(offset);

const quantizeLinear: OperatorDefinition = {
  operator: "QuantizeLinear",
  since: 10,
  infer(context) {
    const { type, shape } = context.input(0);
    if (type !== "float32" && type !== "float16" && type !== "bfloat16" && type !== "int32") {
      context.reject("TENSOR_UNSUPPORTED_TYPE", `${type} is not quantized`);
    }
    if (context.int("output_dtype", 0) !== 0 && !context.inputs[2]) {
      context.reject("TENSOR_UNSUPPORTED_FORM", "output_dtype without a zero point is not taken");
    }
    const made = context.inputs[2]?.type ?? "uint8";
    if (!isQuantized(made)) context.reject("TENSOR_UNSUPPORTED_TYPE", `nothing is quantized to ${made}`);
    checkZeroPoint(context, made);
    granularityOf(context, shape, context.input(1).shape);
    return [{ type: made, shape }];
  },
  lower(context) {
    const { shape } = context.input(0);
    const { single, offset } = granularityOf(context, shape, context.input(1).shape);
    const made = context.inputs[2]?.type ?? "uint8";
    return {
      form: "map",
      elementwise: single,
      at: (place, inputs) => {
        const scaled = div(cast("f32", inputs[0]!.at(place)), inputs[1]!.atOffset(offset(place)));
        return quantized(scaled, at(inputs[2], offset(place)), made);
      },
    };
  },
};

const dequantizeLinear: OperatorDefinition = {
  operator: "DequantizeLinear",
  since: 10,
  infer(context) {
    const { type, shape } = context.input(0);
    if (!isQuantized(type) && type !== "int32") context.reject("TENSOR_UNSUPPORTED_TYPE", `${type} is not dequantized`);
    if (context.int("output_dtype", 0) !== 0) context.reject("TENSOR_UNSUPPORTED_FORM", "output_dtype is not taken");
    checkZeroPoint(context, type);
    granularityOf(context, shape, context.input(1).shape);
    return [{ type: context.input(1).type, shape }];
  },
  lower(context) {
    const { shape } = context.input(0);
    const { single, offset } = granularityOf(context, shape, context.input(1).shape);
    return {
      form: "map",
      elementwise: single,
      at: (place, inputs) => {
        const zeroPoint = at(inputs[2], offset(place));
        const value = inputs[0]!.at(place);
        return mul(cast("f32", zeroPoint ? sub(value, zeroPoint) : value), inputs[1]!.atOffset(offset(place)));
      },
    };
  },
};

const dynamicQuantizeLinear: OperatorDefinition = {
  operator: "DynamicQuantizeLinear",
  since: 11,
  infer(context) {
    const { type, shape } = context.input(0);
    if (type !== "float32") context.reject("TENSOR_UNSUPPORTED_TYPE", `${type} is not taken, only float32`);
    return [
      { type: "uint8", shape },
      { type: "float32", shape: [] },
      { type: "uint8", shape: [] },
    ];
  },
  lower(context) {
    const { shape } = context.input(0);
    const count = elementCount(shape);
    const zero = constant(scalarTypeOf("float32"), 0);
    return {
      form: "loops",
      emit: (io) => {
        const input = io.inputs[0]!;
        const least = combine(io, [count], "min", zero, ([place]) => input.atOffset(place!));
        const greatest = combine(io, [count], "max", zero, ([place]) => input.atOffset(place!));
        const scale = io.build.variable("f32");
        const zeroPoint = io.build.variable("i32");
        const span = sub(greatest.result, least.result);
        // Where all elements are zero any scale serves.
        const divided = select(compare("eq", span, zero), constant("f32", 1), div(span, constant("f32", 255)));
        return [
          ...least.statements,
          ...greatest.statements,
          { do: "let", target: scale, value: divided },
          {
            do: "let",
            target: zeroPoint,
            value: quantized(div(unary("neg", least.result), scale), undefined, "uint8"),
          },
          ...(io.outputs[1]?.store([], scale) ?? []),
          ...(io.outputs[2]?.store([], zeroPoint) ?? []),
          ...(io.outputs[0]
            ? io.build.eachIndex(shape, (place) =>
                io.outputs[0]!.store(place, quantized(div(input.at(place), scale), zeroPoint, "uint8")),
              )
            : []),
        ];
      },
    };
  },
};

export const quantization: readonly OperatorDefinition[] = [quantizeLinear, dequantizeLinear, dynamicQuantizeLinear];
