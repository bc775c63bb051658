/**
 * Matrix products. Rows of A lie at a fixed distance, so one pointer and constant offsets reach a whole tile.
 *
 * Loops, outside in: batch, blocks of rows that fit the second-level cache, panels of eight columns, tiles.
 */
import type { ContractionContext } from "../codegen/interface.ts";
import type { GemmContraction } from "../ir/kernel.ts";
import type { Local } from "../wasm/function-builder.ts";
import { worthOutlining } from "./outlining.ts";
import { panelWidth } from "./packing.ts";
import { RowIndices } from "./rows.ts";
import { Tile, tileRows } from "./tile.ts";

/** Bytes of A that a block of rows may have. */
const blockLimitBytes = 192 * 1024;

/** Whether B is copied into panels first: its columns are not contiguous and it was not packed at link time. */
function packsAtRunTime(gemm: GemmContraction, packed: boolean): boolean {
  return !packed && gemm.b.strideN !== 1 && gemm.n > 1 && gemm.k > 0;
}

export function gemmScratch(gemm: GemmContraction, packed: boolean): number {
  return packsAtRunTime(gemm, packed) ? Math.ceil(gemm.n / panelWidth) * panelWidth * gemm.k * 4 : 0;
}

/** `rowExtents`: the extents of all the epilogue's indices but the last. */
export function emitGemm(gemm: GemmContraction, context: ContractionContext, rowExtents: readonly number[]): void {
  if (gemm.m === 0 || gemm.n === 0 || gemm.batch.some((axis) => axis.extent === 0)) return;
  const { builder: b, pointers } = context;
  const a = b.local("i32");
  const source = b.local("i32");
  const firstRow = b.local("i32");
  const matrix = b.local("i32");
  const matrices = gemm.batch.reduce((product, axis) => product * axis.extent, 1);
  const packed = context.isPacked(gemm.b.buffer);
  b.countedLoop(matrix, 0, matrices, 1, () => {
    batchPointer(gemm, context, matrix, "strideA", pointers[gemm.a.buffer]!, a);
    batchPointer(gemm, context, matrix, "strideB", pointers[gemm.b.buffer]!, source);
    b.get(matrix).i32(gemm.m).op("i32.mul").set(firstRow);
    if (packsAtRunTime(gemm, packed)) {
      packPanels(gemm, context, source);
      emitMatrix(gemm, context, { a, b: context.scratch, firstRow, panels: true, rowExtents });
    } else emitMatrix(gemm, context, { a, b: source, firstRow, panels: packed, rowExtents });
  });
  b.release(a, source, firstRow, matrix);
}

function batchPointer(
  gemm: GemmContraction,
  context: ContractionContext,
  matrix: Local,
  stride: "strideA" | "strideB",
  base: Local,
  target: Local,
): void {
  const { builder: b } = context;
  b.get(base).set(target);
  let inner = 1;
  for (let axis = gemm.batch.length - 1; axis >= 0; axis--) {
    const { extent, [stride]: step } = gemm.batch[axis]!;
    if (step !== 0 && extent > 1) {
      b.get(target)
        .get(matrix)
        .i32(inner)
        .op("i32.div_u")
        .i32(extent)
        .op("i32.rem_u")
        .i32(step * 4)
        .op("i32.mul");
      b.op("i32.add").set(target);
    }
    inner *= extent;
  }
}

interface Operands {
  readonly a: Local;
  readonly b: Local;
  readonly firstRow: Local;
  /** B lies in panels, else in rows of contiguous columns. */
  readonly panels: boolean;
  readonly rowExtents: readonly number[];
}

function emitMatrix(gemm: GemmContraction, context: ContractionContext, operands: Operands): void {
  const { builder: b } = context;
  const { m, n, k } = gemm;
  const rows = tileRows(context.relaxed, m);
  const tiles = Math.ceil(m / rows);
  const perBlock = Math.max(1, Math.min(tiles, Math.floor(blockLimitBytes / (Math.max(1, k) * 4 * rows))));
  const block = b.local("i32");
  const blockEnd = b.local("i32");
  const tile = b.local("i32");
  const column = b.local("i32");
  const columnB = b.local("i32");
  const whole = Math.floor(n / panelWidth);
  const rest = n - whole * panelWidth;
  const stepB = operands.panels ? k * panelWidth * 4 : panelWidth * 4;
  const body = (columns: number): void => {
    b.get(block).set(tile);
    b.loop((head) => {
      emitTile(gemm, context, operands, { tile, column, columnB, rows, columns });
      b.get(tile).i32(1).op("i32.add").tee(tile).get(blockEnd).op("i32.lt_s").branchIf(head);
    });
  };
  const matrices = gemm.batch.reduce((product, axis) => product * axis.extent, 1);
  const outlined = worthOutlining(matrices * m * n * k, matrices * Math.ceil(tiles / perBlock) * whole);
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
    b.get(operands.b).set(columnB);
    b.countedLoop(column, 0, whole, panelWidth, () => {
      if (outlined) b.outline(() => body(panelWidth));
      else body(panelWidth);
      b.get(columnB).i32(stepB).op("i32.add").set(columnB);
    });
    if (rest > 0) {
      b.i32(whole * panelWidth).set(column);
      body(rest);
    }
    b.get(blockEnd).tee(block).i32(tiles).op("i32.lt_s").branchIf(nextBlock);
  });
  b.release(block, blockEnd, tile, column, columnB);
}

interface TilePlace {
  readonly tile: Local;
  readonly column: Local;
  readonly columnB: Local;
  readonly rows: number;
  readonly columns: number;
}

function emitTile(gemm: GemmContraction, context: ContractionContext, operands: Operands, place: TilePlace): void {
  const { builder: b } = context;
  const { rows, columns } = place;
  const vectors = Math.ceil(columns / 4);
  const row = b.local("i32");
  const a = b.local("i32");
  const pointerB = b.local("i32");
  const end = b.local("i32");
  // The last tile ends with the last row.
  b.get(place.tile)
    .i32(rows)
    .op("i32.mul")
    .tee(row)
    .i32(gemm.m - rows)
    .get(row)
    .i32(gemm.m - rows)
    .op("i32.lt_s")
    .op("select")
    .set(row);
  b.get(operands.a)
    .get(row)
    .i32(gemm.a.strideM * 4)
    .op("i32.mul")
    .op("i32.add")
    .set(a);
  b.get(place.columnB).set(pointerB);
  const tile = new Tile(context, { rows, vectors, columns });
  tile.clear();
  const strideB = operands.panels ? panelWidth * 4 : gemm.b.strideK * 4;
  const strideA = gemm.a.strideK * 4;
  const step = (k: number): void =>
    tile.step(
      pointerB,
      k * strideB,
      () => a,
      (r) => r * gemm.a.strideM * 4 + k * strideA,
      k,
    );
  emitStream(context, {
    count: gemm.k,
    unroll: tile.unroll,
    strideB,
    pointerB,
    end,
    advance: [{ pointer: a, bytes: strideA }],
    step,
  });
  b.get(row).get(operands.firstRow).op("i32.add").set(row);
  const indices = new RowIndices(context, operands.rowExtents);
  indices.prepare(row, rows);
  tile.finish(context, (r) => indices.of(r), { local: place.column, constant: 0 });
  tile.release();
  b.release(row, a, pointerB, end);
}

export interface Stream {
  /** Steps of k. */
  readonly count: number;
  readonly unroll: number;
  readonly strideB: number;
  readonly pointerB: Local;
  /** For the end of the loop. */
  readonly end: Local;
  /** Pointers that move with k, and how many bytes a step. */
  readonly advance: readonly { readonly pointer: Local; readonly bytes: number }[];
  readonly step: (k: number) => void;
}

/** `count` steps along B, some written out at once; afterwards the pointers stand behind the last. */
export function emitStream(context: ContractionContext, stream: Stream): void {
  const { builder: b } = context;
  const { count, unroll, strideB, pointerB, end, advance, step } = stream;
  const written = count <= unroll * 2 ? count : unroll;
  const turns = written === 0 ? 0 : Math.floor(count / written);
  const forward = (steps: number): void => {
    for (const { pointer, bytes } of advance)
      b.get(pointer)
        .i32(bytes * steps)
        .op("i32.add")
        .set(pointer);
    b.get(pointerB)
      .i32(strideB * steps)
      .op("i32.add")
      .set(pointerB);
  };
  if (turns > 1) {
    b.get(pointerB)
      .i32(turns * written * strideB)
      .op("i32.add")
      .set(end);
    b.loop((head) => {
      for (let k = 0; k < written; k++) step(k);
      forward(written);
      b.get(pointerB).get(end).op("i32.ne").branchIf(head);
    });
  } else if (turns === 1) {
    for (let k = 0; k < written; k++) step(k);
    forward(written);
  }
  const rest = count - turns * written;
  for (let k = 0; k < rest; k++) step(k);
  if (rest > 0) forward(rest);
}

/** Copies B into panels, zeros behind the last column. */
function packPanels(gemm: GemmContraction, context: ContractionContext, source: Local): void {
  const { builder: b, scratch } = context;
  const { k, n } = gemm;
  const column = b.local("i32");
  const row = b.local("i32");
  const from = b.local("i32");
  const to = b.local("i32");
  const padded = Math.ceil(n / panelWidth) * panelWidth;
  b.countedLoop(column, 0, padded, 1, () => {
    b.get(source)
      .get(column)
      .i32(gemm.b.strideN * 4)
      .op("i32.mul")
      .op("i32.add")
      .set(from);
    b.get(scratch)
      .get(column)
      .i32(3)
      .op("i32.shr_u")
      .i32(k * panelWidth * 4)
      .op("i32.mul")
      .op("i32.add");
    b.get(column).i32(7).op("i32.and").i32(2).op("i32.shl").op("i32.add").set(to);
    b.countedLoop(row, 0, k, 1, () => {
      b.get(to);
      b.get(column).i32(n).op("i32.lt_s");
      b.if(
        () => b.get(from).memory("f32.load"),
        () => b.f32(0),
        "f32",
      );
      b.memory("f32.store");
      b.get(from)
        .i32(gemm.b.strideK * 4)
        .op("i32.add")
        .set(from);
      b.get(to)
        .i32(panelWidth * 4)
        .op("i32.add")
        .set(to);
    });
  });
  b.release(column, row, from, to);
}
