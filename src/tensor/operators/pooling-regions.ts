/** MaxUnpool and RoiAlign: pooling undone, and pooling over regions given as data. */
import { elementCount, isFloat, scalarTypeOf } from "../ir/element-type.ts";
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
  or,
  select,
  sub,
  unary,
} from "../ir/expression.ts";
import type { Stmt } from "../ir/kernel.ts";
import { delinearize } from "./broadcast.ts";
import type { OperatorContext } from "./context.ts";
import type { LoopsIo, OperatorDefinition } from "./definition.ts";

/** The shape that was pooled, which indices count in, and the shape that is made. */
function unpooledShapes(context: OperatorContext): { readonly counted: number[]; readonly made: number[] } {
  const { shape } = context.input(0);
  const rank = shape.length - 2;
  const kernel = context.ints("kernel_shape");
  const strides = context.ints("strides", new Array<number>(rank).fill(1));
  const pads = context.ints("pads", new Array<number>(rank * 2).fill(0));
  if (rank < 1 || kernel.length !== rank || strides.length !== rank || pads.length !== 2 * rank) {
    context.reject("TENSOR_BAD_ATTRIBUTE", "kernel, strides or pads do not fit the input");
  }
  const counted = shape.map((extent, axis) =>
    axis < 2
      ? extent
      : (extent - 1) * strides[axis - 2]! + kernel[axis - 2]! - pads[axis - 2]! - pads[rank + axis - 2]!,
  );
  const made = context.inputs[2] ? [...context.constantNumbers(2)] : counted;
  if (
    made.length !== shape.length ||
    made.some((extent, axis) => !Number.isInteger(extent) || extent < counted[axis]! || counted[axis]! < 1)
  ) {
    context.reject("TENSOR_SHAPE_MISMATCH", `the output [${made}] is smaller than [${counted}]`);
  }
  return { counted, made };
}

const maxUnpool: OperatorDefinition = {
  operator: "MaxUnpool",
  since: 9,
  infer(context) {
    const [x, places] = [context.input(0), context.input(1)];
    if (!isFloat(x.type) || places.type !== "int64")
      context.reject("TENSOR_UNSUPPORTED_TYPE", `${x.type} at ${places.type}`);
    if (String(x.shape) !== String(places.shape))
      context.reject("TENSOR_SHAPE_MISMATCH", "elements and places have different shapes");
    return [{ type: x.type, shape: unpooledShapes(context).made }];
  },
  lower(context) {
    const { counted, made } = unpooledShapes(context);
    const { type, shape } = context.input(0);
    const count = elementCount(counted);
    return {
      form: "loops",
      emit: (io) => {
        const output = io.outputs[0]!;
        const clear = io.build.eachIndex(made, (place) => output.store(place, constant(scalarTypeOf(type), 0)));
        const fill = io.build.sequence(elementCount(shape), (offset) => {
          const place = cast("i32", io.inputs[1]!.atOffset(offset));
          const inside = and(compare("ge", place, index(0)), compare("lt", place, index(count)));
          const store = output.store(delinearize(place, counted), io.inputs[0]!.atOffset(offset));
          return [{ do: "if", condition: inside, then: store, otherwise: [] }];
        });
        return [...clear, fill];
      },
    };
  },
};

interface Region {
  readonly start: Expr;
  readonly bin: Expr;
  readonly samples: Expr;
}

const float = (value: number): Expr => constant("f32", value);

/** One axis of a region: where it starts, how large a bin is and how many samples it takes. */
function regionAxis(low: Expr, high: Expr, scale: number, bins: number, ratio: number, halfPixel: boolean): Region {
  const shift = float(halfPixel ? -0.5 : 0);
  const start = add(mul(low, float(scale)), shift);
  const span = sub(add(mul(high, float(scale)), shift), start);
  const extent = halfPixel ? span : max(span, float(1));
  const bin = div(extent, float(bins));
  return { start, bin, samples: ratio > 0 ? index(ratio) : max(cast("i32", unary("ceil", bin)), index(0)) };
}

/** Neighbours along an axis and the share of the second; a coordinate beyond -1 or the extent counts as nothing. */
function neighbours(coordinate: Expr, extent: number) {
  const outside = or(compare("lt", coordinate, float(-1)), compare("gt", coordinate, float(extent)));
  const at = min(max(coordinate, float(0)), float(extent - 1));
  const low = min(max(cast("i32", at), index(0)), index(extent - 1));
  const high = min(add(low, index(1)), index(extent - 1));
  return { outside, low, high, share: sub(at, cast("f32", low)) };
}

function roiAlignStatements(context: OperatorContext, io: LoopsIo, shape: readonly number[]): Stmt[] {
  const [batches, , height, width] = context.input(0).shape as [number, number, number, number];
  const scale = context.float("spatial_scale", 1);
  const ratio = context.int("sampling_ratio", 0);
  const halfPixel =
    context.version >= 16 && context.string("coordinate_transformation_mode", "half_pixel") === "half_pixel";
  const [image, boxes, owners] = io.inputs as [
    NonNullable<LoopsIo["inputs"][0]>,
    NonNullable<LoopsIo["inputs"][0]>,
    NonNullable<LoopsIo["inputs"][0]>,
  ];
  return io.build.eachIndex(shape, ([box, channel, row, column]) => {
    const owner = min(max(cast("i32", owners.at([box!])), index(0)), index(batches - 1));
    const corner = (which: number): Expr => boxes.at([box!, index(which)]);
    const y = regionAxis(corner(1), corner(3), scale, shape[2]!, ratio, halfPixel);
    const x = regionAxis(corner(0), corner(2), scale, shape[3]!, ratio, halfPixel);
    const sampleAt = (region: Region, bin: Expr, sample: Expr): Expr => {
      const within = div(mul(add(cast("f32", sample), float(0.5)), region.bin), cast("f32", region.samples));
      return add(add(region.start, mul(cast("f32", bin), region.bin)), within);
    };
    const sum = io.build.variable("f32");
    const walk = io.build.sequence(y.samples, (sampleY) => [
      io.build.sequence(x.samples, (sampleX) => {
        const vertical = neighbours(sampleAt(y, row!, sampleY), height);
        const horizontal = neighbours(sampleAt(x, column!, sampleX), width);
        const pixel = (r: Expr, c: Expr): Expr => image.at([owner, channel!, r, c]);
        const blend = (a: Expr, b: Expr, share: Expr): Expr => add(mul(a, sub(float(1), share)), mul(b, share));
        const line = (r: Expr): Expr => blend(pixel(r, horizontal.low), pixel(r, horizontal.high), horizontal.share);
        const value = blend(line(vertical.low), line(vertical.high), vertical.share);
        const counted = select(or(vertical.outside, horizontal.outside), float(0), value);
        return [{ do: "assign", target: sum, value: add(sum, counted) }];
      }),
    ]);
    const count = max(mul(y.samples, x.samples), index(1));
    return [
      { do: "assign", target: sum, value: float(0) },
      walk,
      ...io.outputs[0]!.store([box!, channel!, row!, column!], div(sum, cast("f32", count))),
    ];
  });
}

const roiAlign: OperatorDefinition = {
  operator: "RoiAlign",
  since: 10,
  infer(context) {
    const [x, boxes, owners] = [context.input(0), context.input(1), context.input(2)];
    if (x.type !== "float32" || boxes.type !== "float32")
      context.reject("TENSOR_UNSUPPORTED_TYPE", "only float32 is taken");
    if (
      x.shape.length !== 4 ||
      boxes.shape.length !== 2 ||
      boxes.shape[1] !== 4 ||
      String(owners.shape) !== String([boxes.shape[0]])
    ) {
      context.reject("TENSOR_SHAPE_MISMATCH", `regions [${boxes.shape}] of images [${x.shape}]`);
    }
    if (elementCount(x.shape) === 0) context.reject("TENSOR_SHAPE_MISMATCH", "the images are empty");
    // What the greatest is taken of differs among runtimes.
    if (context.string("mode", "avg") !== "avg")
      context.reject("TENSOR_UNSUPPORTED_FORM", "only the mode avg is taken");
    const [height, width] = [context.int("output_height", 1), context.int("output_width", 1)];
    return [{ type: "float32", shape: [boxes.shape[0]!, x.shape[1]!, height, width] }];
  },
  lower(context) {
    const shape = [
      context.input(1).shape[0]!,
      context.input(0).shape[1]!,
      context.int("output_height", 1),
      context.int("output_width", 1),
    ];
    return { form: "loops", emit: (io) => roiAlignStatements(context, io, shape) };
  },
};

export const regionPooling: readonly OperatorDefinition[] = [maxUnpool, roiAlign];
