/** The kernels without WebAssembly: the same bits (see `kernels.ts`), several times slower. */
import type { GrowingMemory, Kernels } from "./kernels.ts";

const lanes = 8;

export function javascriptKernels(memory: GrowingMemory): Kernels {
  const sums = new Float32Array(lanes);
  let views = viewsOf(memory.buffer);
  const current = (): ReturnType<typeof viewsOf> => {
    if (views.buffer !== memory.buffer) views = viewsOf(memory.buffer);
    return views;
  };
  return {
    dot(query, base, strideBytes, queryBytes, list, count, out, bias) {
      const { floats, words } = current();
      const [from, length, roundedBias] = [query >>> 2, queryBytes >>> 2, Math.fround(bias)];
      for (let place = 0; place < count; place++) {
        const row = (base + words[(list >>> 2) + place]! * strideBytes) >>> 2;
        sums.fill(0);
        for (let i = 0; i < length; i++) {
          sums[i % lanes]! += Math.fround(floats[from + i]! * floats[row + i]!);
        }
        floats[(out >>> 2) + place] = roundedBias - laneSum(sums);
      }
    },
    l2(query, base, strideBytes, queryBytes, list, count, out) {
      const { floats, words } = current();
      const [from, length] = [query >>> 2, queryBytes >>> 2];
      for (let place = 0; place < count; place++) {
        const row = (base + words[(list >>> 2) + place]! * strideBytes) >>> 2;
        sums.fill(0);
        for (let i = 0; i < length; i++) {
          const difference = Math.fround(floats[from + i]! - floats[row + i]!);
          sums[i % lanes]! += Math.fround(difference * difference);
        }
        floats[(out >>> 2) + place] = laneSum(sums);
      }
    },
    codes(query, base, strideBytes, queryBytes, list, count, out, bias, scale) {
      const { floats, words, codes, shorts } = current();
      const [from, length] = [query >>> 1, queryBytes >>> 1];
      const [queryBias, queryScale] = [Math.fround(bias), Math.fround(scale)];
      for (let place = 0; place < count; place++) {
        const row = base + words[(list >>> 2) + place]! * strideBytes;
        let sum = 0;
        for (let i = 0; i < length; i++) sum += shorts[from + i]! * codes[row + i]!;
        const rowScale = floats[(row + length) >>> 2]!;
        const rowBias = floats[(row + length + 4) >>> 2]!;
        const product = Math.fround(Math.fround(queryScale * rowScale) * Math.fround(sum));
        floats[(out >>> 2) + place] = Math.fround(queryBias + rowBias) - product;
      }
    },
  };
}

/** Each addition rounded, as the lanes are. */
function laneSum(sums: Float32Array): number {
  const pair = (lane: number): number => Math.fround(sums[lane]! + sums[lane + 4]!);
  return Math.fround(Math.fround(pair(0) + pair(1)) + Math.fround(pair(2) + pair(3)));
}

function viewsOf(buffer: ArrayBuffer) {
  return {
    buffer,
    floats: new Float32Array(buffer),
    words: new Uint32Array(buffer),
    codes: new Int8Array(buffer),
    shorts: new Int16Array(buffer),
  };
}
