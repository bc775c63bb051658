/**
 * A unit's program as linkable functions: one for each kernel, so that an engine can optimise each by itself, those
 * that kernels call in their inner loops, and an entry. The calling convention stands in interface.ts.
 */
import { emitContraction, scratchBytesOfContraction } from "../contraction/emit.ts";
import { byteSizeOf } from "../ir/element-type.ts";
import type { ContractionKernel, Kernel, UnitProgram } from "../ir/kernel.ts";
import { FunctionBuilder, type Local, type WasmFunction } from "../wasm/function-builder.ts";
import { ExpressionEpilogue } from "./epilogue.ts";
import type { CodegenOptions, UnitCode } from "./interface.ts";
import { KernelEmitter } from "./kernel-emitter.ts";
import { sharedFunction } from "./math-functions.ts";

const blockAlignment = 64;
const slackBytes = 16;

export function generateUnit(program: UnitProgram, options: CodegenOptions): UnitCode {
  return new UnitGenerator(program, options).run();
}

class UnitGenerator {
  readonly #program: UnitProgram;
  readonly #options: CodegenOptions;
  readonly #functions: WasmFunction[] = [];
  /** Called by the kernels: what is to be optimised while they run. */
  readonly #parts: WasmFunction[] = [];
  readonly #shared = new Map<string, WasmFunction>();
  readonly #scratchOffsets = new Map<number, number>();
  #scratchBytes = 0;

  constructor(program: UnitProgram, options: CodegenOptions) {
    this.#program = program;
    this.#options = options;
  }

  run(): UnitCode {
    for (const { id, type, count, role } of this.#program.buffers) {
      if (role === "scratch") this.#scratchOffsets.set(id, this.#reserve(byteSizeOf(type) * count));
    }
    const { kernels } = this.#program;
    // Kernels run one after the other: what each needs for itself may overlap.
    const own = kernels.map((kernel) => (kernel.kind === "contraction" ? this.#contractionScratch(kernel) : 0));
    const ownOffset = this.#reserve(Math.max(0, ...own));
    const single = kernels.length === 1;
    for (const [place, kernel] of kernels.entries()) {
      this.#kernel(kernel, single ? this.#options.symbol : `${this.#options.symbol}.k${place}`, ownOffset);
    }
    if (!single) this.#entry();
    return {
      functions: [...this.#functions, ...this.#parts, ...this.#shared.values()],
      scratchBytes: this.#scratchBytes,
    };
  }

  #reserve(bytes: number): number {
    const offset = this.#scratchBytes;
    if (bytes > 0) this.#scratchBytes += Math.ceil((bytes + slackBytes) / blockAlignment) * blockAlignment;
    return offset;
  }

  #isPacked = (buffer: number): boolean => this.#program.buffers[buffer]!.packing !== undefined;

  #contractionScratch(kernel: ContractionKernel): number {
    return scratchBytesOfContraction(kernel, this.#isPacked);
  }

  #parameters(): "i32"[] {
    return [...this.#program.buffers.filter(({ role }) => role !== "scratch").map(() => "i32" as const), "i32"];
  }

  #kernel(kernel: Kernel, symbol: string, ownOffset: number): void {
    const builder = new FunctionBuilder(symbol, this.#parameters());
    const scratch = builder.params.at(-1)!;
    let next = 0;
    const pointers: Local[] = this.#program.buffers.map(({ id, role }) => {
      if (role !== "scratch") return builder.params[next++]!;
      return this.#offsetPointer(builder, scratch, this.#scratchOffsets.get(id)!);
    });
    const elements = this.#program.buffers.map(({ type }) => type);
    const { relaxed } = this.#options;
    const context = { builder, pointers, elements, relaxed, require: this.#require };
    if (kernel.kind === "loops") new KernelEmitter(context).run(kernel.body);
    else {
      const epilogue = new ExpressionEpilogue(kernel.epilogue, context);
      const own = this.#offsetPointer(builder, scratch, ownOffset);
      emitContraction(kernel, {
        builder,
        relaxed,
        pointers,
        types: elements,
        scratch: own,
        isPacked: this.#isPacked,
        require: this.#require,
        epilogue,
      });
    }
    this.#functions.push(builder.finish());
    this.#parts.push(...builder.outlined);
  }

  #offsetPointer(builder: FunctionBuilder, base: Local, offset: number): Local {
    if (offset === 0) return base;
    const local = builder.local("i32");
    builder.get(base).i32(offset).op("i32.add").set(local);
    return local;
  }

  #entry(): void {
    const builder = new FunctionBuilder(this.#options.symbol, this.#parameters());
    for (const kernel of this.#functions.slice()) {
      for (const parameter of builder.params) builder.get(parameter);
      builder.call(kernel.symbol);
    }
    this.#functions.unshift(builder.finish());
  }

  #require = (symbol: string): string => {
    if (!this.#shared.has(symbol)) {
      const pending: string[] = [];
      const made = sharedFunction(symbol, this.#options.relaxed, (callee) => {
        pending.push(callee);
        return callee;
      });
      this.#shared.set(symbol, made);
      for (const callee of pending) this.#require(callee);
    }
    return symbol;
  };
}
