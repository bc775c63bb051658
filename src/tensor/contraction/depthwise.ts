/**
 * Depthwise convolution: lanes along channels, a few neighbouring pixels at a time, so that each weight and, at stride
 * 1, each input vector is loaded once for all pixels that use it. Taps are written out.
 *
 *   scratch:  | padded image, channels rounded up to 4 | packed weights (if not packed at link time) |
 */
import type { ContractionContext } from "../codegen/interface.ts";
import type { ConvolutionContraction } from "../ir/kernel.ts";
import type { Local } from "../wasm/function-builder.ts";
import { emitImageCopy, type Image, imageBytes, imageOf } from "./image.ts";
import { packedCount, packingOf, roundUp4 } from "./packing.ts";
import { RowIndices } from "./rows.ts";
import { emitRuntimePacking } from "./runtime-packing.ts";

/** Pixels at a time. */
const pixelsPerTile = 4;

function widenedImage(conv: ConvolutionContraction): Image {
  return imageOf(conv, roundUp4(conv.inChannels));
}

export function depthwiseScratch(conv: ConvolutionContraction, packed: boolean): number {
  return imageBytes(widenedImage(conv)) + (packed ? 0 : packedCount(packingOf(conv, ["input", "weight"])!) * 4 + 64);
}

export function emitDepthwise(conv: ConvolutionContraction, context: ContractionContext): void {
  const { builder: b, pointers, scratch } = context;
  if (conv.batch * conv.outHeight * conv.outWidth * conv.outChannels === 0) return;
  const image = widenedImage(conv);
  const weights = b.local("i32");
  const source = b.local("i32");
  const base = b.local("i32");
  const number = b.local("i32");
  if (context.isPacked(conv.weights)) b.get(pointers[conv.weights]!).set(weights);
  else {
    b.get(scratch).i32(imageBytes(image)).op("i32.add").set(weights);
    emitRuntimePacking(packingOf(conv, ["input", "weight"])!, context, pointers[conv.weights]!, weights);
  }
  b.get(pointers[conv.input]!).set(source);
  b.countedLoop(number, 0, conv.batch, 1, () => {
    if (image.copied) {
      emitImageCopy(conv, image, context, source, scratch);
      b.get(scratch).set(base);
    } else b.get(source).set(base);
    emitImageRows(conv, context, image, { weights, base, number });
    b.get(source)
      .i32(conv.inHeight * conv.inWidth * conv.inChannels * 4)
      .op("i32.add")
      .set(source);
  });
  b.release(weights, source, base, number);
}

interface Bases {
  readonly weights: Local;
  readonly base: Local;
  readonly number: Local;
}

function emitImageRows(conv: ConvolutionContraction, context: ContractionContext, image: Image, bases: Bases): void {
  const { builder: b } = context;
  const pixels = Math.min(pixelsPerTile, conv.outWidth);
  const tiles = Math.ceil(conv.outWidth / pixels);
  const locals = Array.from({ length: 5 }, () => b.local("i32"));
  const [y, tile, x, first, row] = locals as [Local, Local, Local, Local, Local];
  const indices = new RowIndices(context, [conv.batch, conv.outHeight, conv.outWidth]);
  b.countedLoop(y, 0, conv.outHeight, 1, () => {
    b.countedLoop(tile, 0, tiles, 1, () => {
      const last = conv.outWidth - pixels;
      b.get(tile).i32(pixels).op("i32.mul").tee(x).i32(last).get(x).i32(last).op("i32.lt_s").op("select").set(x);
      b.get(bases.base)
        .get(y)
        .i32(conv.strideY * image.width * image.pitch * 4)
        .op("i32.mul")
        .op("i32.add");
      b.get(x)
        .i32(conv.strideX * image.pitch * 4)
        .op("i32.mul")
        .op("i32.add")
        .set(first);
      b.get(bases.number)
        .i32(conv.outHeight)
        .op("i32.mul")
        .get(y)
        .op("i32.add")
        .i32(conv.outWidth)
        .op("i32.mul")
        .get(x)
        .op("i32.add")
        .set(row);
      indices.prepare(row, pixels);
      emitChannels(conv, context, image, { weights: bases.weights, first, pixels, indices });
    });
  });
  b.release(...locals);
}

interface TileBases {
  readonly weights: Local;
  /** The first tap of the first pixel. */
  readonly first: Local;
  readonly pixels: number;
  readonly indices: RowIndices;
}

function emitChannels(conv: ConvolutionContraction, context: ContractionContext, image: Image, place: TileBases): void {
  const { builder: b } = context;
  const channel = b.local("i32");
  const input = b.local("i32");
  const weight = b.local("i32");
  const body = (columns: number): void => {
    b.get(channel).i32(2).op("i32.shl").tee(input).get(place.first).op("i32.add");
    b.get(input).get(place.weights).op("i32.add").set(weight).set(input);
    const sums = emitTaps(conv, context, image, input, weight, place.pixels);
    for (const [pixel, sum] of sums.entries()) finishPixel(context, place, pixel, sum, channel, columns);
    b.release(...sums);
  };
  const whole = Math.floor(conv.outChannels / 4);
  b.countedLoop(channel, 0, whole, 4, () => body(4));
  if (conv.outChannels % 4 > 0) {
    b.i32(whole * 4).set(channel);
    body(conv.outChannels % 4);
  }
  b.release(channel, input, weight);
}

function finishPixel(
  context: ContractionContext,
  place: TileBases,
  pixel: number,
  sum: Local,
  channel: Local,
  columns: number,
): void {
  const { builder: b, epilogue } = context;
  if (columns === 4 && epilogue.canUseLanes) {
    epilogue.lanes([...place.indices.of(pixel), { local: channel, constant: 0 }], sum);
    return;
  }
  const single = b.local("f32");
  for (let lane = 0; lane < columns; lane++) {
    b.get(sum).lane("f32x4.extract_lane", lane).set(single);
    epilogue.single([...place.indices.of(pixel), { local: channel, constant: lane }], single);
  }
  b.release(single);
}

/** The sums of all taps for a row of pixels; an input column is loaded once for all taps and pixels that meet there. */
function emitTaps(
  conv: ConvolutionContraction,
  context: ContractionContext,
  image: Image,
  input: Local,
  weight: Local,
  pixels: number,
): Local[] {
  const { builder: b, relaxed } = context;
  const sums = Array.from({ length: pixels }, () => b.local("v128"));
  const weights = Array.from({ length: conv.kernelWidth }, () => b.local("v128"));
  const value = b.local("v128");
  for (const sum of sums) b.f32x4(0).set(sum);
  const pitch = roundUp4(conv.outChannels) * 4;
  for (let ky = 0; ky < conv.kernelHeight; ky++) {
    for (const [kx, local] of weights.entries())
      b.get(weight)
        .memory("v128.load", (ky * conv.kernelWidth + kx) * pitch)
        .set(local);
    const columns = new Map<number, { pixel: number; kx: number }[]>();
    for (let pixel = 0; pixel < pixels; pixel++) {
      for (let kx = 0; kx < conv.kernelWidth; kx++) {
        const column = pixel * conv.strideX + kx * conv.dilationX;
        columns.set(column, [...(columns.get(column) ?? []), { pixel, kx }]);
      }
    }
    for (const [column, uses] of [...columns].sort((p, q) => p[0] - q[0])) {
      b.get(input)
        .memory("v128.load", (ky * conv.dilationY * image.width + column) * image.pitch * 4)
        .set(value);
      for (const { pixel, kx } of uses) {
        const sum = sums[pixel]!;
        if (relaxed) b.get(value).get(weights[kx]!).get(sum).op("f32x4.relaxed_madd").set(sum);
        else b.get(sum).get(value).get(weights[kx]!).op("f32x4.mul").op("f32x4.add").set(sum);
      }
    }
  }
  b.release(...weights, value);
  return sums;
}
