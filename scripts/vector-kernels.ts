/**
 * Makes the distance kernels of the vector index, `src/store/vector/kernels.generated.ts`:
 *
 *     node scripts/vector-kernels.ts
 *
 * The store lies below the compiler and may not use its assembler, so the module is made here and committed; a test
 * makes it anew and compares. Each kernel computes the distances of one query to a list of rows, four rows at a time,
 * which share the loads of the query. The rows of a list lie far apart, and waiting for them takes longer than the
 * sums: so a word of every cache line of the next rows is read first, for nothing, which stands in for the prefetch
 * that WebAssembly lacks. That made searches 1.3 times as fast. What each lane adds up, and in which order, is part of
 * the contract (`src/store/vector/kernels.ts`): the JavaScript kernels give the same bits.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ByteSink } from "../src/tensor/wasm/bytes.ts";
import {
  FunctionBuilder,
  type Local,
  type ValueType,
  valueTypeCodes,
  type WasmFunction,
} from "../src/tensor/wasm/function-builder.ts";

const rowsAtOnce = 4;
/** As many as a list of links has with M = 16; with 384 numbers a row they take 48 KiB of a cache. */
const rowsAhead = 32;
const lineBytes = 64;
/** What both f32 kernels take: addresses in bytes, `rowBytes` a multiple of 64, `count` a multiple of 4. */
const listParams: readonly ValueType[] = ["i32", "i32", "i32", "i32", "i32", "i32", "i32"];
const even = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];
const odd = even.map((byte) => byte + 4);

interface ListKernel {
  readonly f: FunctionBuilder;
  readonly query: Local;
  readonly rows: readonly Local[];
}

/**
 * The frame of a kernel (query, base, strideBytes, queryBytes, list, count, out, …): for each four of the list, sums
 * over blocks of the query, then one store of four distances.
 */
function listKernel(
  symbol: string,
  scalars: readonly ValueType[],
  parts: {
    readonly queryBlockBytes: number;
    readonly rowBlockBytes: number;
    readonly start: (kernel: ListKernel) => void;
    readonly block: (kernel: ListKernel) => void;
    /** Leaves a v128 of four distances; each of `rows` is the end of its row. */
    readonly finish: (kernel: ListKernel) => void;
  },
): WasmFunction {
  const f = new FunctionBuilder(symbol, [...listParams, ...scalars]);
  const [queryStart, base, stride, queryBytes, list, count, out] = f.params as [
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const rows = Array.from({ length: rowsAtOnce }, () => f.local("i32"));
  const [query, queryEnd, listEnd, chunkEnd] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
  const kernel: ListKernel = { f, query, rows };
  f.get(count).op("i32.eqz");
  f.if(() => f.op("return"));
  f.get(list).get(count).i32(2).op("i32.shl").op("i32.add").set(listEnd);
  f.get(queryStart).get(queryBytes).op("i32.add").set(queryEnd);
  f.loop((nextChunk) => {
    f.get(list)
      .i32(rowsAhead * 4)
      .op("i32.add")
      .tee(chunkEnd)
      .get(listEnd);
    f.get(chunkEnd).get(listEnd).op("i32.lt_u").op("select").set(chunkEnd);
    touchRows(kernel, chunkEnd);
    f.loop((nextRows) => {
      for (const [place, row] of rows.entries()) {
        f.get(base);
        f.get(list).memory("i32.load", place * 4, 2);
        f.get(stride).op("i32.mul").op("i32.add").set(row);
      }
      f.get(queryStart).set(query);
      parts.start(kernel);
      f.loop((nextBlock) => {
        parts.block(kernel);
        for (const row of rows) f.get(row).i32(parts.rowBlockBytes).op("i32.add").set(row);
        f.get(query).i32(parts.queryBlockBytes).op("i32.add").tee(query);
        f.get(queryEnd).op("i32.ne").branchIf(nextBlock);
      });
      f.get(out);
      parts.finish(kernel);
      f.memory("v128.store", 0, 4);
      f.get(out).i32(16).op("i32.add").set(out);
      f.get(list).i32(16).op("i32.add").tee(list);
      f.get(chunkEnd).op("i32.ne").branchIf(nextRows);
    });
    f.get(list).get(listEnd).op("i32.ne").branchIf(nextChunk);
  });
  return f.finish();
}

/** Reads a word of each cache line of the rows from `list` up to `end`, and forgets it: all come at once. */
function touchRows({ f }: ListKernel, end: Local): void {
  const [, base, stride, , list] = f.params as [Local, Local, Local, Local, Local];
  const [touched, line, rowEnd] = [f.local("i32"), f.local("i32"), f.local("i32")];
  f.get(list).set(touched);
  f.loop((nextRow) => {
    f.get(base).get(touched).memory("i32.load", 0, 2).get(stride).op("i32.mul").op("i32.add").tee(line);
    f.get(stride).op("i32.add").set(rowEnd);
    f.loop((nextLine) => {
      f.get(line).memory("i32.load", 0, 2).op("drop");
      f.get(line).i32(lineBytes).op("i32.add").tee(line);
      f.get(rowEnd).op("i32.lt_u").branchIf(nextLine);
    });
    f.get(touched).i32(4).op("i32.add").tee(touched);
    f.get(end).op("i32.ne").branchIf(nextRow);
  });
}

/** Leaves the four sums of the lanes of four vectors, each as (lane 0 + lane 1) + (lane 2 + lane 3). */
function sumLanes(f: FunctionBuilder, sums: readonly Local[], add: "f32x4.add" | "i32x4.add"): void {
  const pairs = [f.local("v128"), f.local("v128")] as const;
  for (const [half, pair] of pairs.entries()) {
    const [first, second] = sums.slice(half * 2) as [Local, Local];
    f.get(first).get(second).shuffle(even).get(first).get(second).shuffle(odd).op(add).set(pair);
  }
  f.get(pairs[0]).get(pairs[1]).shuffle(even).get(pairs[0]).get(pairs[1]).shuffle(odd).op(add);
  f.release(...pairs);
}

/** Two sums of four lanes a row: element i goes to lane i mod 8. */
function floatKernel(symbol: string, scalars: readonly ValueType[], metric: "dot" | "l2"): WasmFunction {
  const sums: Local[][] = [];
  const inQuery: Local[] = [];
  let difference: Local;
  return listKernel(symbol, scalars, {
    queryBlockBytes: 64,
    rowBlockBytes: 64,
    start({ f, rows }) {
      difference = f.local("v128");
      inQuery.push(...Array.from({ length: 2 }, () => f.local("v128")));
      for (const _ of rows) sums.push([f.local("v128"), f.local("v128")]);
      for (const sum of sums.flat()) f.f32x4(0).set(sum);
    },
    block({ f, query, rows }) {
      for (let offset = 0; offset < 64; offset += 32) {
        for (const [part, local] of inQuery.entries()) {
          f.get(query)
            .memory("v128.load", offset + part * 16, 4)
            .set(local);
        }
        for (const [place, row] of rows.entries()) {
          for (const [part, local] of inQuery.entries()) {
            const sum = sums[place]![part]!;
            f.get(sum).get(local).get(row);
            f.memory("v128.load", offset + part * 16, 4);
            if (metric === "dot") f.op("f32x4.mul");
            else f.op("f32x4.sub").tee(difference).get(difference).op("f32x4.mul");
            f.op("f32x4.add").set(sum);
          }
        }
      }
    },
    finish({ f }) {
      const bias = f.params[listParams.length];
      if (bias !== undefined) f.get(bias).op("f32x4.splat");
      for (const [first, second] of sums as [Local, Local][]) {
        f.get(first).get(second).op("f32x4.add").set(first);
      }
      sumLanes(
        f,
        sums.map(([first]) => first!),
        "f32x4.add",
      );
      if (bias !== undefined) f.op("f32x4.sub");
    },
  });
}

/**
 * Rows of int8 codes and, behind them, their scale and bias as f32; the query as int16. Leaves
 * (queryBias + rowBias) - (queryScale * rowScale) * (sum of the products).
 */
function codeKernel(symbol: string): WasmFunction {
  const sums: Local[] = [];
  return listKernel(symbol, ["f32", "f32"], {
    queryBlockBytes: 32,
    rowBlockBytes: 16,
    start({ f, rows }) {
      for (const _ of rows) sums.push(f.local("v128"));
      for (const sum of sums) f.i32x4(0).set(sum);
    },
    block({ f, query, rows }) {
      for (const offset of [0, 8]) {
        const inQuery = f.local("v128");
        f.get(query)
          .memory("v128.load", offset * 2, 4)
          .set(inQuery);
        for (const [place, row] of rows.entries()) {
          f.get(sums[place]!).get(inQuery).get(row);
          f.memory("v128.load8x8_s", offset, 3).op("i32x4.dot_i16x8_s").op("i32x4.add").set(sums[place]!);
        }
        f.release(inQuery);
      }
    },
    finish({ f, rows }) {
      const [queryBias, queryScale] = f.params.slice(listParams.length) as [Local, Local];
      const gathered = f.local("v128");
      const gather = (offset: number): void => {
        for (const [lane, row] of rows.entries()) {
          f.get(row);
          if (lane === 0) f.memory("v128.load32_zero", offset, 2);
          else f.get(gathered).memoryLane("v128.load32_lane", offset, lane);
          f.set(gathered);
        }
        f.get(gathered);
      };
      f.get(queryBias).op("f32x4.splat");
      gather(4);
      f.op("f32x4.add");
      f.get(queryScale).op("f32x4.splat");
      gather(0);
      f.op("f32x4.mul");
      sumLanes(f, sums, "i32x4.add");
      f.op("f32x4.convert_i32x4_s").op("f32x4.mul").op("f32x4.sub");
    },
  });
}

function section(module: ByteSink, id: number, write: (sink: ByteSink) => void): void {
  const content = new ByteSink();
  write(content);
  module.byte(id);
  module.u32(content.length);
  module.bytes(content.toBytes());
}

/** Functions that call nothing, over a memory of any size that the host brings and may grow. */
function moduleOf(functions: readonly WasmFunction[]): Uint8Array {
  const module = new ByteSink();
  module.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
  section(module, 1, (sink) => {
    sink.u32(functions.length);
    for (const { params } of functions) {
      sink.bytes([0x60, params.length, ...params.map((type) => valueTypeCodes[type]), 0]);
    }
  });
  section(module, 2, (sink) => {
    sink.u32(1);
    sink.name("holdfast");
    sink.name("memory");
    sink.bytes([0x02, 0x00, 0x01]);
  });
  section(module, 3, (sink) => sink.bytes([functions.length, ...functions.keys()]));
  section(module, 7, (sink) => {
    sink.u32(functions.length);
    for (const [index, { symbol }] of functions.entries()) {
      sink.name(symbol);
      sink.bytes([0x00, index]);
    }
  });
  section(module, 10, (sink) => {
    sink.u32(functions.length);
    for (const { locals, pieces } of functions) {
      const body = new ByteSink();
      body.u32(locals.length);
      for (const type of locals) body.bytes([1, valueTypeCodes[type]]);
      for (const piece of pieces) body.bytes(piece);
      sink.u32(body.length);
      sink.bytes(body.toBytes());
    }
  });
  return module.toBytes();
}

/** The text of `kernels.generated.ts`. */
export function vectorKernelsSource(): string {
  const bytes = moduleOf([floatKernel("dot", ["f32"], "dot"), floatKernel("l2", [], "l2"), codeKernel("codes")]);
  const base64 = Buffer.from(bytes).toString("base64");
  return [
    "/** Made by scripts/vector-kernels.ts, which says what is in it; a test compares. */",
    `export const kernelModuleBase64 =\n  "${base64}";`,
    "",
  ].join("\n");
}

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, "../src/store/vector/kernels.generated.ts"), vectorKernelsSource());
}
