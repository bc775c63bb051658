/**
 * Distances of one query to a list of rows, in WebAssembly SIMD or, where there is none, in JavaScript.
 *
 * Both give the same bits on every engine. The contract of lanes: element i of a row is added to lane i mod 8, in
 * order of i, each product and each sum rounded to f32; then lane l and lane l + 4 are added, which leaves four; then
 * (0 + 1) + (2 + 3). Codes are summed as integers, so their order does not matter. No relaxed SIMD: whether it fuses a
 * product and a sum depends on the processor, and an index must not depend on who built it.
 *
 * Addresses are bytes in the memory. Each kernel writes one f32 a row to `out`. `count` is rounded up to a multiple of
 * 4 by the caller, who fills the list with any valid row: an entry costs a row, but never needs a second loop.
 */

import { kernelModuleBase64 } from "./kernels.generated.ts";
import { javascriptKernels } from "./kernels-javascript.ts";

export interface Kernels {
  /** bias - query · row. `queryBytes` and `strideBytes` are multiples of 64. */
  dot(
    query: number,
    base: number,
    strideBytes: number,
    queryBytes: number,
    list: number,
    count: number,
    out: number,
    bias: number,
  ): void;
  /** The square of the Euclidean distance. */
  l2(
    query: number,
    base: number,
    strideBytes: number,
    queryBytes: number,
    list: number,
    count: number,
    out: number,
  ): void;
  /**
   * (bias + row's bias) - (scale * row's scale) * (query · row) over int8 codes. The query is int16; a row is codes in
   * blocks of 16, then its scale and its bias as f32.
   */
  codes(
    query: number,
    base: number,
    strideBytes: number,
    queryBytes: number,
    list: number,
    count: number,
    out: number,
    bias: number,
    scale: number,
  ): void;
}

/** Bytes that grow and keep their content; `buffer` is another object after each growth. */
export interface GrowingMemory {
  readonly buffer: ArrayBuffer;
  /** By pages of 64 KiB; throws a RangeError where there is no more. */
  grow(pages: number): void;
}

export interface KernelSet {
  readonly kind: "simd" | "javascript";
  readonly memory: GrowingMemory;
  readonly kernels: Kernels;
}

let compiled: WebAssembly.Module | undefined;

/** A memory of that many pages and the kernels over it. Without a preference, SIMD where the engine has it. */
export function kernelsOver(pages: number, preferred?: "simd" | "javascript"): KernelSet {
  if (preferred !== "javascript") {
    try {
      compiled ??= new WebAssembly.Module(moduleBytes());
      const memory = new WebAssembly.Memory({ initial: pages });
      const instance = new WebAssembly.Instance(compiled, { holdfast: { memory } });
      return { kind: "simd", memory, kernels: instance.exports as unknown as Kernels };
    } catch (cause) {
      // A full memory is no missing engine; where code may not be compiled, JavaScript answers the same.
      if (preferred === "simd" || cause instanceof RangeError) throw cause;
    }
  }
  const memory = plainMemory(pages);
  return { kind: "javascript", memory, kernels: javascriptKernels(memory) };
}

function moduleBytes(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(kernelModuleBase64), (character) => character.charCodeAt(0));
}

function plainMemory(pages: number): GrowingMemory {
  let buffer = new ArrayBuffer(pages * 65_536);
  return {
    get buffer() {
      return buffer;
    },
    grow(more) {
      const larger = new ArrayBuffer(buffer.byteLength + more * 65_536);
      new Uint8Array(larger).set(new Uint8Array(buffer));
      buffer = larger;
    },
  };
}
