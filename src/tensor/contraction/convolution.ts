/**
 * Convolution as a matrix product whose rows are output pixels: where a pixel's taps begin is read from a table, so a
 * tile may hold pixels of different rows, whatever stride, dilation or width.
 *
 *   scratch:  | padded image | table: i32 a pixel | packed weights (if not packed at link time) |
 *
 * With dilation 1 and one group the kernelWidth·channels floats of a kernel row follow one another, and so do their
 * weights: one stream. Loops, outside in: image, group, blocks of pixels, panels of eight channels, tiles.
 */
import type { ContractionContext } from "../codegen/interface.ts";
import type { ConvolutionContraction } from "../ir/kernel.ts";
import type { Local } from "../wasm/function-builder.ts";
import { emitStream } from "./gemm.ts";
import { emitImageCopy, imageBytes, imageOf } from "./image.ts";
import { worthOutlining } from "./outlining.ts";
import { packedCount, packingOf, panelWidth } from "./packing.ts";
import { RowIndices } from "./rows.ts";
import { emitRuntimePacking } from "./runtime-packing.ts";
import { Tile, tileRows } from "./tile.ts";

const blockLimitBytes = 256 * 1024;

function layoutOf(conv: ConvolutionContraction): { readonly image: number; readonly table: number } {
  const table = Math.ceil((conv.outHeight * conv.outWidth * 4) / 64) * 64;
  return { image: imageBytes(imageOf(conv)), table };
}

export function convolutionScratch(conv: ConvolutionContraction, packed: boolean): number {
  const { image, table } = layoutOf(conv);
  return image + table + (packed ? 0 : packedCount(packingOf(conv, ["input", "weight"])!) * 4 + 64);
}

export function emitConvolution(conv: ConvolutionContraction, context: ContractionContext): void {
  const { builder: b, pointers, scratch } = context;
  if (conv.batch * conv.outHeight * conv.outWidth * conv.outChannels === 0) return;
  const image = imageOf(conv);
  const layout = layoutOf(conv);
  const table = b.local("i32");
  const source = b.local("i32");
  const base = b.local("i32");
  const weights = b.local("i32");
  const number = b.local("i32");
  b.get(scratch).i32(layout.image).op("i32.add").set(table);
  if (context.isPacked(conv.weights)) b.get(pointers[conv.weights]!).set(weights);
  else {
    b.get(table).i32(layout.table).op("i32.add").set(weights);
    emitRuntimePacking(packingOf(conv, ["input", "weight"])!, context, pointers[conv.weights]!, weights);
  }
  emitTable(conv, context, table, image.width * image.pitch * 4, image.pitch * 4);
  b.get(pointers[conv.input]!).set(source);
  b.countedLoop(number, 0, conv.batch, 1, () => {
    if (image.copied) {
      emitImageCopy(conv, image, context, source, scratch);
      b.get(scratch).set(base);
    } else b.get(source).set(base);
    emitGroups(conv, context, { table, base, weights, number });
    b.get(source)
      .i32(conv.inHeight * conv.inWidth * conv.inChannels * 4)
      .op("i32.add")
      .set(source);
  });
  b.release(table, source, base, weights, number);
}

/** For each output pixel, where its first tap is, in bytes from the image's start. */
function emitTable(
  conv: ConvolutionContraction,
  context: ContractionContext,
  table: Local,
  rowBytes: number,
  pixelBytes: number,
): void {
  const { builder: b } = context;
  const y = b.local("i32");
  const x = b.local("i32");
  const at = b.local("i32");
  b.get(table).set(at);
  b.countedLoop(y, 0, conv.outHeight, 1, () => {
    b.countedLoop(x, 0, conv.outWidth, 1, () => {
      b.get(at)
        .get(y)
        .i32(conv.strideY * rowBytes)
        .op("i32.mul")
        .get(x)
        .i32(conv.strideX * pixelBytes)
        .op("i32.mul")
        .op("i32.add");
      b.memory("i32.store").get(at).i32(4).op("i32.add").set(at);
    });
  });
  b.release(y, x, at);
}

interface Bases {
  readonly table: Local;
  readonly base: Local;
  readonly weights: Local;
  /** The image's number in the batch. */
  readonly number: Local;
}

function emitGroups(conv: ConvolutionContraction, context: ContractionContext, bases: Bases): void {
  const { builder: b } = context;
  const perGroup = conv.outChannels / conv.groups;
  const inPerGroup = conv.inChannels / conv.groups;
  const panelBytes = conv.kernelHeight * conv.kernelWidth * inPerGroup * panelWidth * 4;
  const rows = tileRows(context.relaxed, conv.outHeight * conv.outWidth);
  const tiles = Math.ceil((conv.outHeight * conv.outWidth) / rows);
  const freshBytes = inPerGroup * conv.strideX * conv.strideY * 4 * rows;
  const perBlock = Math.max(1, Math.min(tiles, Math.floor(blockLimitBytes / freshBytes)));
  const locals = Array.from({ length: 7 }, () => b.local("i32"));
  const [group, block, blockEnd, tile, column, panel, input] = locals as [
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const whole = Math.floor(perGroup / panelWidth);
  const rest = perGroup - whole * panelWidth;
  const body = (columns: number): void => {
    b.get(block).set(tile);
    b.loop((head) => {
      emitPixelTile(conv, context, bases, { tile, column, panel, input, rows, columns });
      b.get(tile).i32(1).op("i32.add").tee(tile).get(blockEnd).op("i32.lt_s").branchIf(head);
    });
  };
  const calls = conv.batch * conv.groups * Math.ceil(tiles / perBlock) * whole;
  const taps = (panelBytes / (panelWidth * 4)) * conv.outHeight * conv.outWidth;
  const outlined = worthOutlining(conv.batch * conv.outChannels * taps, calls);
  b.countedLoop(group, 0, conv.groups, 1, () => {
    b.get(bases.base)
      .get(group)
      .i32(inPerGroup * 4)
      .op("i32.mul")
      .op("i32.add")
      .set(input);
    b.i32(0).set(block);
    b.loop((nextBlock) => {
      b.get(block)
        .i32(perBlock)
        .op("i32.add")
        .tee(blockEnd)
        .i32(tiles)
        .get(blockEnd)
        .i32(tiles)
        .op("i32.lt_s")
        .op("select")
        .set(blockEnd);
      b.get(bases.weights)
        .get(group)
        .i32((whole + (rest > 0 ? 1 : 0)) * panelBytes)
        .op("i32.mul")
        .op("i32.add")
        .set(panel);
      b.get(group).i32(perGroup).op("i32.mul").set(column);
      if (whole > 0) {
        const turn = b.local("i32");
        b.countedLoop(turn, 0, whole, 1, () => {
          if (outlined) b.outline(() => body(panelWidth));
          else body(panelWidth);
          b.get(panel).i32(panelBytes).op("i32.add").set(panel);
          b.get(column).i32(panelWidth).op("i32.add").set(column);
        });
        b.release(turn);
      }
      if (rest > 0) body(rest);
      b.get(blockEnd).tee(block).i32(tiles).op("i32.lt_s").branchIf(nextBlock);
    });
  });
  b.release(...locals);
}

interface PixelTile {
  readonly tile: Local;
  readonly column: Local;
  readonly panel: Local;
  readonly input: Local;
  readonly rows: number;
  readonly columns: number;
}

function emitPixelTile(
  conv: ConvolutionContraction,
  context: ContractionContext,
  bases: Bases,
  place: PixelTile,
): void {
  const { builder: b } = context;
  const { rows, columns } = place;
  const pixels = conv.outHeight * conv.outWidth;
  const pixel = b.local("i32");
  const entry = b.local("i32");
  const pointerB = b.local("i32");
  const end = b.local("i32");
  b.get(place.tile)
    .i32(rows)
    .op("i32.mul")
    .tee(pixel)
    .i32(pixels - rows)
    .get(pixel)
    .i32(pixels - rows)
    .op("i32.lt_s")
    .op("select")
    .set(pixel);
  b.get(bases.table).get(pixel).i32(2).op("i32.shl").op("i32.add").set(entry);
  const pointers = Array.from({ length: rows }, (_, row) => {
    const pointer = b.local("i32");
    b.get(entry)
      .memory("i32.load", row * 4, 2)
      .get(place.input)
      .op("i32.add")
      .set(pointer);
    return pointer;
  });
  b.get(place.panel).set(pointerB);
  const tile = new Tile(context, { rows, vectors: Math.ceil(columns / 4), columns });
  tile.clear();
  emitTaps(conv, context, tile, { pointers, pointerB, end });
  b.get(pixel).get(bases.number).i32(pixels).op("i32.mul").op("i32.add").set(pixel);
  const indices = new RowIndices(context, [conv.batch, conv.outHeight, conv.outWidth]);
  indices.prepare(pixel, rows);
  tile.finish(context, (row) => indices.of(row), { local: place.column, constant: 0 });
  tile.release();
  b.release(pixel, entry, pointerB, end, ...pointers);
}

interface TapPointers {
  readonly pointers: readonly Local[];
  readonly pointerB: Local;
  readonly end: Local;
}

/** All taps of a tile: kernel rows, and where a kernel row is not one run of floats, its columns. */
function emitTaps(
  conv: ConvolutionContraction,
  context: ContractionContext,
  tile: Tile,
  { pointers, pointerB, end }: TapPointers,
): void {
  const { builder: b } = context;
  const image = imageOf(conv);
  const inPerGroup = conv.inChannels / conv.groups;
  const oneRun = conv.groups === 1 && conv.dilationX === 1;
  const run = oneRun ? conv.kernelWidth * inPerGroup : inPerGroup;
  const columns = oneRun ? 1 : conv.kernelWidth;
  const strideB = panelWidth * 4;
  const step = (k: number): void =>
    tile.step(
      pointerB,
      k * strideB,
      (row) => pointers[row]!,
      () => k * 4,
      k,
    );
  const advance = pointers.map((pointer) => ({ pointer, bytes: 4 }));
  const move = (bytes: number): void => {
    if (bytes !== 0) for (const pointer of pointers) b.get(pointer).i32(bytes).op("i32.add").set(pointer);
  };
  const pixelBytes = image.pitch * 4;
  const kernelRow = (): void => {
    const column = b.local("i32");
    const runBody = (): void =>
      emitStream(context, { count: run, unroll: tile.unroll, strideB, pointerB, end, advance, step });
    if (columns === 1) runBody();
    else {
      b.countedLoop(column, 0, columns, 1, () => {
        runBody();
        move(conv.dilationX * pixelBytes - run * 4);
      });
    }
    b.release(column);
  };
  if (conv.kernelHeight === 1) {
    kernelRow();
    return;
  }
  const walked = columns === 1 ? run * 4 : columns * conv.dilationX * pixelBytes;
  const row = b.local("i32");
  b.countedLoop(row, 0, conv.kernelHeight, 1, () => {
    kernelRow();
    move(conv.dilationY * image.width * pixelBytes - walked);
  });
  b.release(row);
}
