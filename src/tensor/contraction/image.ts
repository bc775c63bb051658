/**
 * The input image of a convolution with its padding made real: a copy in scratch with zeros around, so that the loops
 * over taps need no tests.
 */
import type { ContractionContext } from "../codegen/interface.ts";
import type { ConvolutionContraction } from "../ir/kernel.ts";
import type { Local } from "../wasm/function-builder.ts";

export interface Image {
  readonly height: number;
  readonly width: number;
  /** Floats from one pixel to the next. */
  readonly pitch: number;
  readonly copied: boolean;
}

/** The image that taps read: every pixel some tap can reach. */
export function imageOf(conv: ConvolutionContraction, pitch = conv.inChannels): Image {
  const reachY = (conv.outHeight - 1) * conv.strideY + (conv.kernelHeight - 1) * conv.dilationY + 1;
  const reachX = (conv.outWidth - 1) * conv.strideX + (conv.kernelWidth - 1) * conv.dilationX + 1;
  const inside = conv.padTop === 0 && conv.padLeft === 0 && reachY <= conv.inHeight && reachX <= conv.inWidth;
  if (inside && pitch === conv.inChannels) return { height: conv.inHeight, width: conv.inWidth, pitch, copied: false };
  const height = Math.max(reachY, conv.padTop + conv.inHeight);
  const width = Math.max(reachX, conv.padLeft + conv.inWidth);
  return { height, width, pitch, copied: true };
}

export function imageBytes(image: Image): number {
  return image.copied ? Math.ceil((image.height * image.width * image.pitch * 4 + 64) / 64) * 64 : 0;
}

/** Fills the copy at `target` from the image at `source`. */
export function emitImageCopy(
  conv: ConvolutionContraction,
  image: Image,
  context: ContractionContext,
  source: Local,
  target: Local,
): void {
  const { builder: b } = context;
  const rowBytes = image.width * image.pitch * 4;
  const before = conv.padLeft * image.pitch * 4;
  const inside = conv.inWidth * image.pitch * 4;
  const row = b.local("i32");
  const from = b.local("i32");
  const to = b.local("i32");
  const fill = (bytes: number, offset: number): void => {
    if (bytes > 0) b.get(to).i32(offset).op("i32.add").i32(0).i32(bytes).op("memory.fill");
  };
  b.get(source).set(from).get(target).set(to);
  fill(conv.padTop * rowBytes, 0);
  b.get(to)
    .i32(conv.padTop * rowBytes)
    .op("i32.add")
    .set(to);
  b.countedLoop(row, 0, conv.inHeight, 1, () => {
    fill(before, 0);
    b.get(to).i32(before).op("i32.add");
    if (image.pitch === conv.inChannels) {
      b.get(from).i32(inside).op("memory.copy");
      b.get(from).i32(inside).op("i32.add").set(from);
    } else {
      b.op("drop");
      emitPixels(conv, image, context, from, to, before);
    }
    fill(rowBytes - before - inside, before + inside);
    b.get(to).i32(rowBytes).op("i32.add").set(to);
  });
  fill((image.height - conv.padTop - conv.inHeight) * rowBytes, 0);
  b.release(row, from, to);
}

/** One row, pixel by pixel, where the copy's pixels are wider. */
function emitPixels(
  conv: ConvolutionContraction,
  image: Image,
  context: ContractionContext,
  from: Local,
  to: Local,
  before: number,
): void {
  const { builder: b } = context;
  const pixel = b.local("i32");
  const at = b.local("i32");
  b.get(to).i32(before).op("i32.add").set(at);
  b.countedLoop(pixel, 0, conv.inWidth, 1, () => {
    b.get(at)
      .i32(0)
      .i32(image.pitch * 4)
      .op("memory.fill");
    b.get(at)
      .get(from)
      .i32(conv.inChannels * 4)
      .op("memory.copy");
    b.get(from)
      .i32(conv.inChannels * 4)
      .op("i32.add")
      .set(from);
    b.get(at)
      .i32(image.pitch * 4)
      .op("i32.add")
      .set(at);
  });
  b.release(pixel, at);
}
