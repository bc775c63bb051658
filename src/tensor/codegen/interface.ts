/**
 * What the parts of the code generator promise one another.
 *
 * `generateUnit` turns a unit's program into linkable functions. It calls `emitContraction` for each contraction
 * kernel and hands it an EpilogueEmitter, so that kernels know nothing of expressions and expressions nothing of tiles.
 *
 * The calling convention of a unit's entry: one i32 pointer for each buffer whose role is not scratch, in order, then
 * one i32 pointer to `scratchBytes` bytes. Every pointer is 16-byte aligned, and 16 bytes after each buffer's end may
 * be read (not written); what they hold is undefined.
 */
import type { ElementType } from "../ir/element-type.ts";
import type { FunctionBuilder, Local, WasmFunction } from "../wasm/function-builder.ts";

export interface CodegenOptions {
  /** Symbol of the entry; symbols of a unit's own kernels start with it. */
  readonly symbol: string;
  /** Relaxed SIMD (fused multiply-add) may be used. */
  readonly relaxed: boolean;
}

export interface UnitCode {
  /** Entry and kernels, then the shared functions they need (such as `exp.f32x4`): equal symbol, equal bytes. */
  readonly functions: readonly WasmFunction[];
  readonly scratchBytes: number;
}

/** An index's value: `local + constant`, or the constant alone. */
export interface IndexBinding {
  readonly local?: Local;
  readonly constant: number;
}

/** Writes the epilogue for results just computed. Pointers to the unit's buffers are already known to it. */
export interface EpilogueEmitter {
  /** True where `lanes` can be used (every access is contiguous or constant along the last index). */
  readonly canUseLanes: boolean;
  /**
   * True where all indices but the last may be given as one row number: 0, …, 0, row. `extents` are those of all
   * indices but the last.
   */
  flattens(extents: readonly number[]): boolean;
  /** For four results at last index, last index + 1, + 2, + 3; `result` is a v128 local of f32 lanes. */
  lanes(indices: readonly IndexBinding[], result: Local): void;
  /** For one result; `result` is an f32 local. */
  single(indices: readonly IndexBinding[], result: Local): void;
}

/** What a contraction kernel is written into and with. */
export interface ContractionContext {
  readonly builder: FunctionBuilder;
  readonly relaxed: boolean;
  /** Pointer (i32 local, 16-byte aligned) to each buffer of the program, by buffer id. */
  readonly pointers: readonly Local[];
  readonly types: readonly ElementType[];
  /** i32 local: this kernel's own scratch, `scratchBytesOfContraction(kernel, …)` long. */
  readonly scratch: Local;
  /** True where the operand's buffer is a weight stored in the packing named in its declaration. */
  isPacked(buffer: number): boolean;
  /** Asks for a shared function by symbol; gives the symbol back, to be called. */
  readonly require: (symbol: string) => string;
  readonly epilogue: EpilogueEmitter;
}
