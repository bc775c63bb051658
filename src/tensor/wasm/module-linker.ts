/**
 * Links functions by symbol into one WebAssembly module.
 *
 *   module := magic version type-section function-section memory-section export-section code-section
 *
 * Functions stand in the order given; types are interned in order of first use; the memory has a fixed size (minimum
 * equal to maximum), exported as "memory". The same functions in the same order always give the same bytes.
 */
import { assert } from "../../base/index.ts";
import { ByteSink } from "./bytes.ts";
import { type ValueType, valueTypeCodes, type WasmFunction } from "./function-builder.ts";

export interface ModuleDescription {
  readonly functions: readonly WasmFunction[];
  /** Exported name by symbol. */
  readonly exports: ReadonlyMap<string, string>;
  /** Pages of 64 KiB. */
  readonly memoryPages: number;
  /** Taken from the host under "holdfast" "memory" instead of being made by the module. Default false. */
  readonly importMemory?: boolean;
}

export function linkModule(description: ModuleDescription): Uint8Array {
  const types = new TypeTable();
  const indexOf = new Map<string, number>();
  for (const [index, fn] of description.functions.entries()) {
    assert(!indexOf.has(fn.symbol), `symbol ${fn.symbol} defined twice`);
    indexOf.set(fn.symbol, index);
  }
  const typeIndices = description.functions.map((fn) => types.intern(fn.params, fn.results));
  const module = new ByteSink();
  module.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
  section(module, 1, types.encode());
  const limits = (sink: ByteSink): void => {
    sink.byte(0x01);
    sink.u32(description.memoryPages);
    sink.u32(description.memoryPages);
  };
  if (description.importMemory) {
    section(module, 2, (sink) => {
      sink.u32(1);
      sink.name("holdfast");
      sink.name("memory");
      sink.byte(0x02);
      limits(sink);
    });
  }
  section(module, 3, (sink) => {
    sink.u32(typeIndices.length);
    for (const type of typeIndices) sink.u32(type);
  });
  if (!description.importMemory) {
    section(module, 5, (sink) => {
      sink.u32(1);
      limits(sink);
    });
  }
  section(module, 7, (sink) => encodeExports(sink, description, indexOf));
  section(module, 10, (sink) => {
    sink.u32(description.functions.length);
    for (const fn of description.functions) encodeBody(sink, fn, indexOf);
  });
  return module.toBytes();
}

function encodeExports(sink: ByteSink, description: ModuleDescription, indexOf: ReadonlyMap<string, number>): void {
  sink.u32(description.exports.size + (description.importMemory ? 0 : 1));
  for (const [symbol, name] of description.exports) {
    const index = indexOf.get(symbol);
    assert(index !== undefined, `exported symbol ${symbol} is not defined`);
    sink.name(name);
    sink.byte(0x00);
    sink.u32(index);
  }
  if (!description.importMemory) {
    sink.name("memory");
    sink.byte(0x02);
    sink.u32(0);
  }
}

function encodeBody(sink: ByteSink, fn: WasmFunction, indexOf: ReadonlyMap<string, number>): void {
  const body = new ByteSink();
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of fn.locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  body.u32(runs.length);
  for (const run of runs) {
    body.u32(run.count);
    body.byte(valueTypeCodes[run.type]);
  }
  for (const [position, piece] of fn.pieces.entries()) {
    body.bytes(piece);
    const callee = fn.calls[position];
    if (callee === undefined) continue;
    const index = indexOf.get(callee);
    assert(index !== undefined, `${fn.symbol} calls ${callee}, which is not defined`);
    body.u32(index);
  }
  const bytes = body.toBytes();
  sink.u32(bytes.length);
  sink.bytes(bytes);
}

class TypeTable {
  readonly #indexByKey = new Map<string, number>();
  readonly #types: { params: readonly ValueType[]; results: readonly ValueType[] }[] = [];

  intern(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join()}>${results.join()}`;
    const known = this.#indexByKey.get(key);
    if (known !== undefined) return known;
    this.#types.push({ params, results });
    this.#indexByKey.set(key, this.#types.length - 1);
    return this.#types.length - 1;
  }

  encode(): (sink: ByteSink) => void {
    return (sink) => {
      sink.u32(this.#types.length);
      for (const { params, results } of this.#types) {
        sink.byte(0x60);
        for (const list of [params, results]) {
          sink.u32(list.length);
          for (const type of list) sink.byte(valueTypeCodes[type]);
        }
      }
    };
  }
}

function section(module: ByteSink, id: number, write: (sink: ByteSink) => void): void {
  const content = new ByteSink();
  write(content);
  const bytes = content.toBytes();
  module.byte(id);
  module.u32(bytes.length);
  module.bytes(bytes);
}
