/**
 * Links compiled units into one module and describes the artifact around it.
 *
 * The order of everything follows the plan alone (units in the order they run, shared functions in the order they are
 * first needed, weights in the order they are first read), so the same plan with the same units gives the same bytes,
 * whatever was compiled first and by whom. A unit without code becomes an eager step.
 */
import { hexOf, sha256 } from "../../base/index.ts";
import { pack, packedCount } from "../contraction/packing.ts";
import { eagerSource } from "../eager/print.ts";
import { elementsOf } from "../graph/constant.ts";
import type { ConstantData } from "../graph/graph.ts";
import { byteSizeOf, elementCount } from "../ir/element-type.ts";
import type { BufferDeclaration, Packing, UnitProgram } from "../ir/kernel.ts";
import { lowerUnit } from "../lower/unit.ts";
import { alignUp, blockBytes, type Interval, placeIntervals, weightsStart } from "../plan/memory.ts";
import type { Partition, PlannedUnit } from "../plan/partition.ts";
import { FunctionBuilder, type WasmFunction } from "../wasm/function-builder.ts";
import { linkModule } from "../wasm/module-linker.ts";
import type { ArtifactDescription, SplatFill, Step, TensorPort, UnitReport } from "./description.ts";

/** One variant's code of a unit. */
export interface LinkableUnit {
  readonly functions: readonly WasmFunction[];
  readonly scratchBytes: number;
}

export interface LinkInput {
  readonly name: string;
  readonly partition: Partition;
  /** sha256 of each planned unit's specification, hex. */
  readonly hashes: readonly string[];
  /** Code by planned unit; undefined runs eagerly. */
  readonly strict: readonly (LinkableUnit | undefined)[];
  readonly relaxed: readonly (LinkableUnit | undefined)[];
  /** Why a unit is eager, by hash. */
  readonly reasons: ReadonlyMap<string, string>;
  readonly blueprintHash: string;
  readonly strategy: string;
  readonly compilerVersion: string;
}

export interface LinkedArtifact {
  readonly description: ArtifactDescription;
  readonly module: Uint8Array;
  readonly relaxedModule: Uint8Array;
  readonly weights: Uint8Array;
}

export function entrySymbol(hash: string): string {
  return `u${hash.slice(0, 24)}`;
}

export function linkArtifact(input: LinkInput): LinkedArtifact {
  return new Linker(input).run();
}

class Linker {
  readonly #input: LinkInput;
  readonly #programs = new Map<string, UnitProgram>();
  readonly #weights = new WeightsLayout();
  /** Value (alias resolved) -> address. */
  readonly #addresses = new Map<number, number>();
  #scratchAddresses: readonly number[] = [];
  #end = 0;

  constructor(input: LinkInput) {
    this.#input = input;
  }

  run(): LinkedArtifact {
    const { partition, strict } = this.#input;
    const weightKeys = partition.units.map((unit, step) => this.#takeWeights(unit, strict[step] === undefined, step));
    const ports = [...partition.graph.inputs, ...partition.graph.outputs];
    for (const id of ports) this.#takeConstantPort(id);
    this.#weights.place();
    this.#placeValues();
    const pages = Math.ceil((this.#end + 64) / 65536);
    const eagerSources: string[] = [];
    const steps = this.#steps(weightKeys, eagerSources);
    const weights = this.#weights.bytes();
    const { graph } = partition;
    const description: ArtifactDescription = {
      name: this.#input.name,
      inputs: graph.inputs.map((id) => this.#port(id)),
      outputs: graph.outputs.map((id) => this.#port(id)),
      memory: { pages, arenaBytes: this.#end - this.#weights.end },
      weights: {
        offset: weightsStart,
        bytes: weights.length,
        fills: this.#weights.fills(),
        sha256: hexOf(sha256(weights)),
      },
      steps,
      eagerSources,
      units: partition.units.map((unit, step) => this.#report(unit, step)),
      blueprintHash: this.#input.blueprintHash,
      strategy: this.#input.strategy,
      compilerVersion: this.#input.compilerVersion,
    };
    return {
      description,
      module: this.#module(this.#input.strict, weightKeys, pages),
      relaxedModule: this.#module(this.#input.relaxed, weightKeys, pages),
      weights,
    };
  }

  #root(id: number): number {
    return this.#input.partition.aliasOf.get(id) ?? id;
  }

  #program(unit: PlannedUnit, step: number, fuse: boolean): UnitProgram {
    const key = `${this.#input.hashes[step]}:${fuse}`;
    const known = this.#programs.get(key);
    if (known) return known;
    const program = lowerUnit(unit, { fuse });
    this.#programs.set(key, program);
    return program;
  }

  /** Registers a unit's weights in the order its entry takes them; keys by place among all its inputs. */
  #takeWeights(unit: PlannedUnit, eager: boolean, step: number): Map<number, string> {
    const program = this.#program(unit, step, !eager);
    const keys = new Map<number, string>();
    const order = orderedInputs(unit);
    for (const [buffer, place] of order.entries()) {
      const declaration = program.buffers[buffer]!;
      const root = this.#root(unit.inputs[place]!);
      const constant = this.#input.partition.graph.values[root]!.constant;
      if (constant) keys.set(place, this.#weights.add(root, constant, declaration));
    }
    return keys;
  }

  /** A constant that the caller reads as an output. */
  #takeConstantPort(id: number): void {
    const root = this.#root(id);
    const value = this.#input.partition.graph.values[root]!;
    if (!value.constant) return;
    const count = elementCount(value.shape);
    this.#weights.add(root, value.constant, { id: 0, type: value.type, count, role: "weight" });
  }

  #placeValues(): void {
    const { partition, strict, relaxed } = this.#input;
    const last = partition.units.length;
    const lives = new Map<number, { first: number; last: number }>();
    const touch = (id: number, step: number): void => {
      const root = this.#root(id);
      if (partition.graph.values[root]!.constant) return;
      const life = lives.get(root);
      if (life) lives.set(root, { first: Math.min(life.first, step), last: Math.max(life.last, step) });
      else lives.set(root, { first: step, last: step });
    };
    for (const id of partition.graph.inputs) touch(id, 0);
    for (const [step, unit] of partition.units.entries())
      for (const id of [...unit.inputs, ...unit.outputs]) touch(id, step);
    for (const id of partition.graph.outputs) touch(id, last);
    // Inputs are written before the first step runs.
    for (const id of partition.graph.inputs) touch(id, 0);
    const roots = [...lives.keys()];
    const intervals: Interval[] = roots.map((root) => {
      const { type, shape } = partition.graph.values[root]!;
      return { bytes: byteSizeOf(type) * elementCount(shape), ...lives.get(root)! };
    });
    for (const [step] of partition.units.entries()) {
      const bytes = Math.max(strict[step]?.scratchBytes ?? 0, relaxed[step]?.scratchBytes ?? 0);
      intervals.push({ bytes, first: step, last: step });
    }
    const placement = placeIntervals(intervals);
    const base = alignUp(this.#weights.end);
    for (const [place, root] of roots.entries()) this.#addresses.set(root, base + placement.offsets[place]!);
    this.#scratchAddresses = placement.offsets.slice(roots.length).map((offset) => base + offset);
    this.#end = base + placement.bytes;
  }

  #address(id: number): number {
    const root = this.#root(id);
    const address = this.#addresses.get(root) ?? this.#weights.address(`${root}:`);
    return address;
  }

  #port(id: number): TensorPort {
    const { name, type, shape } = this.#input.partition.graph.values[id]!;
    return { name, type, shape, offset: this.#address(id) };
  }

  /** Addresses of a unit's buffers in the order of its program's declarations: inputs, weights, outputs. */
  #arguments(unit: PlannedUnit, keys: ReadonlyMap<number, string>): number[] {
    const inputs = orderedInputs(unit).map((place) => {
      const key = keys.get(place);
      return key === undefined ? this.#address(unit.inputs[place]!) : this.#weights.address(key);
    });
    return [...inputs, ...unit.outputs.map((id) => this.#address(id))];
  }

  #steps(weightKeys: readonly ReadonlyMap<number, string>[], sources: string[]): Step[] {
    const steps: Step[] = [];
    const sourceOf = new Map<string, number>();
    let segments = 0;
    for (const [step, unit] of this.#input.partition.units.entries()) {
      if (this.#input.strict[step]) {
        if (steps.at(-1)?.kind !== "wasm") steps.push({ kind: "wasm", call: `run${segments++}` });
        continue;
      }
      const hash = this.#input.hashes[step]!;
      const program = this.#program(unit, step, false);
      let source = sourceOf.get(hash);
      if (source === undefined) {
        source = sources.length;
        sources.push(eagerSource(program));
        sourceOf.set(hash, source);
      }
      const offsets = this.#arguments(unit, weightKeys[step]!);
      const buffers = offsets.map((offset, buffer) => {
        const { type, count } = program.buffers[buffer]!;
        return { type, count, offset };
      });
      steps.push({ kind: "eager", source, buffers });
    }
    return steps;
  }

  #module(
    units: readonly (LinkableUnit | undefined)[],
    weightKeys: readonly ReadonlyMap<number, string>[],
    pages: number,
  ): Uint8Array {
    const functions: WasmFunction[] = [];
    const known = new Set<string>();
    const exports = new Map<string, string>();
    const segments: FunctionBuilder[] = [];
    let open: FunctionBuilder | undefined;
    for (const [step, unit] of this.#input.partition.units.entries()) {
      const code = units[step];
      if (!code) {
        open = undefined;
        continue;
      }
      for (const fn of code.functions) {
        if (known.has(fn.symbol)) continue;
        known.add(fn.symbol);
        functions.push(fn);
      }
      if (!open) {
        open = new FunctionBuilder(`run${segments.length}`, []);
        exports.set(open.symbol, open.symbol);
        segments.push(open);
      }
      for (const address of this.#arguments(unit, weightKeys[step]!)) open.i32(address);
      open.i32(this.#scratchAddresses[step]!);
      open.call(entrySymbol(this.#input.hashes[step]!));
    }
    functions.push(...segments.map((segment) => segment.finish()));
    return linkModule({ functions, exports, memoryPages: pages });
  }

  #report(unit: PlannedUnit, step: number): UnitReport {
    const hash = this.#input.hashes[step]!;
    const compiled = this.#input.strict[step] !== undefined;
    const reason = this.#input.reasons.get(hash);
    return {
      name: unit.name,
      hash,
      mode: compiled ? "compiled" : "eager",
      nodes: unit.nodes,
      ...(compiled || reason === undefined ? {} : { reason }),
    };
  }
}

/** Places among a unit's inputs in the order of its program's buffers: plain inputs first, then weights. */
function orderedInputs(unit: PlannedUnit): number[] {
  const places = unit.inputs.map((_, place) => place);
  const isWeight = (place: number): boolean => unit.weights.has(unit.graph.inputs[place]!);
  return [...places.filter((place) => !isWeight(place)), ...places.filter(isWeight)];
}

/** Contents of constants as the units want them, each kept once; splats last, so that the file need not hold them. */
class WeightsLayout {
  readonly #entries = new Map<
    string,
    { constant: ConstantData; packing: Packing | undefined; bytes: number; splat: boolean }
  >();
  readonly #addresses = new Map<string, number>();
  #denseEnd = weightsStart;
  end = weightsStart;

  add(root: number, constant: ConstantData, declaration: BufferDeclaration): string {
    const { packing } = declaration;
    const key = `${root}:${packing ? JSON.stringify(packing) : ""}`;
    if (this.#entries.has(key)) return key;
    const count = elementCount(constant.shape);
    const packed = packing ? packedCount(packing) : count;
    const splat = constant.splat && packed === count && count > 1;
    this.#entries.set(key, { constant, packing, bytes: packed * byteSizeOf(constant.type), splat });
    return key;
  }

  place(): void {
    for (const splat of [false, true]) {
      for (const [key, entry] of this.#entries) {
        if (entry.splat !== splat) continue;
        this.#addresses.set(key, this.end);
        this.end += blockBytes(entry.bytes);
      }
      if (!splat) this.#denseEnd = this.end;
    }
  }

  address(key: string): number {
    return this.#addresses.get(key)!;
  }

  fills(): SplatFill[] {
    const fills: SplatFill[] = [];
    for (const [key, entry] of this.#entries) {
      if (!entry.splat || entry.constant.bytes.every((byte) => byte === 0)) continue;
      fills.push({ offset: this.address(key), bytes: entry.bytes, element: [...entry.constant.bytes] });
    }
    return fills;
  }

  /** The dense part as it lies in memory from `weightsStart` on. */
  bytes(): Uint8Array {
    const all = new Uint8Array(this.#denseEnd - weightsStart);
    for (const [key, { constant, packing, splat }] of this.#entries) {
      if (splat) continue;
      const logical = elementsOf(constant);
      const data = packing ? pack(packing, logical as Float32Array) : logical;
      all.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), this.address(key) - weightsStart);
    }
    return all;
  }
}
