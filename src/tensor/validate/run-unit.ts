/** Runs a unit's code by itself: one module, its buffers in one memory with guard bytes between them. */
import { HoldfastError } from "../../base/index.ts";
import type { LinkableUnit } from "../artifact/link.ts";
import { pack, packedCount } from "../contraction/packing.ts";
import { byteSizeOf, type ElementArray, newArray } from "../ir/element-type.ts";
import type { BufferDeclaration } from "../ir/kernel.ts";
import { lowerUnit, type UnitGraph } from "../lower/unit.ts";
import { alignUp, blockBytes } from "../plan/memory.ts";
import { linkModule } from "../wasm/module-linker.ts";

/** What the bytes between buffers hold: as a float it is NaN, so that reading beyond an end does not go unseen. */
const guard = 0xff;

/** Runs the unit on inputs in the order of its program's buffers; gives the outputs in order. */
export function runUnit(
  unit: UnitGraph,
  code: LinkableUnit,
  symbol: string,
  inputs: readonly ElementArray[],
): ElementArray[] {
  const program = lowerUnit(unit, { fuse: true });
  const outside = program.buffers.filter(({ role }) => role !== "scratch");
  const offsets: number[] = [];
  let end = 64;
  for (const buffer of outside) {
    offsets.push(end);
    end += blockBytes(bytesOf(buffer));
  }
  const scratch = alignUp(end);
  const memoryPages = Math.ceil((scratch + code.scratchBytes + 64) / 65536);
  const module = linkModule({ functions: code.functions, exports: new Map([[symbol, "run"]]), memoryPages });
  const instance = instantiate(module);
  const memory = instance.exports.memory as WebAssembly.Memory;
  const bytes = new Uint8Array(memory.buffer);
  bytes.fill(guard);
  for (const [place, buffer] of outside.entries()) {
    const given = inputs[place];
    if (buffer.role === "output" || !given) continue;
    const data = buffer.packing ? pack(buffer.packing, given as Float32Array) : given;
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offsets[place]);
  }
  (instance.exports.run as (...pointers: number[]) => void)(...offsets, scratch);
  checkGuards(bytes, outside, offsets, symbol);
  return outside.flatMap((buffer, place) => (buffer.role === "output" ? [copyOf(buffer, bytes, offsets[place]!)] : []));
}

function bytesOf(buffer: BufferDeclaration): number {
  return byteSizeOf(buffer.type) * (buffer.packing ? packedCount(buffer.packing) : buffer.count);
}

function instantiate(module: Uint8Array): WebAssembly.Instance {
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(module as Uint8Array<ArrayBuffer>));
  } catch (cause) {
    throw new HoldfastError(
      "TENSOR_INVALID_CODE",
      `the engine refuses the unit's code: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
}

function checkGuards(
  bytes: Uint8Array,
  buffers: readonly BufferDeclaration[],
  offsets: readonly number[],
  symbol: string,
): void {
  for (const [place, buffer] of buffers.entries()) {
    const from = offsets[place]! + bytesOf(buffer);
    for (let at = from; at < from + 16; at++) {
      if (bytes[at] !== guard)
        throw new HoldfastError("TENSOR_MISMATCH", `unit ${symbol} writes behind the end of buffer ${place}`);
    }
  }
}

function copyOf(buffer: BufferDeclaration, bytes: Uint8Array, offset: number): ElementArray {
  const array = newArray(buffer.type, buffer.count);
  new Uint8Array(array.buffer).set(bytes.subarray(offset, offset + array.byteLength));
  return array;
}
