/**
 * Writes one WebAssembly function, instruction by instruction.
 *
 * Calls name a symbol, not an index: the result is relocatable (`WasmFunction.pieces` are the code between calls), so
 * that functions made in different processes link into one module, in any order of arrival, to the same bytes.
 * Control flow is written with closures, which keeps blocks balanced; branches take a Label, never a depth.
 */
import { assert } from "../../base/index.ts";
import { ByteSink } from "./bytes.ts";
import {
  type LaneOpcode,
  laneOpcodes,
  type MemoryLaneOpcode,
  type MemoryOpcode,
  memoryLaneOpcodes,
  memoryOpcodes,
  type PlainOpcode,
  plainOpcodes,
} from "./opcodes.ts";

export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

export const valueTypeCodes: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

export interface WasmFunction {
  readonly symbol: string;
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** Types of the locals after the parameters. */
  readonly locals: readonly ValueType[];
  /** Code up to each call, and after the last; always `calls.length + 1` pieces. The final `end` is included. */
  readonly pieces: readonly Uint8Array[];
  /** Symbols called, in the order of the gaps between the pieces. */
  readonly calls: readonly string[];
}

/** A local variable or parameter. */
export interface Local {
  readonly index: number;
  readonly type: ValueType;
}

/** A place a branch can go to: the end of a block, or the head of a loop. */
export interface Label {
  readonly depth: number;
}

export class FunctionBuilder {
  readonly symbol: string;
  readonly params: readonly Local[];
  readonly #results: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  #free = new Map<ValueType, Local[]>();
  readonly #outlined: WasmFunction[] = [];
  #pieces: Uint8Array[] = [];
  #calls: string[] = [];
  #code = new ByteSink();
  #depth = 0;

  constructor(symbol: string, params: readonly ValueType[], results: readonly ValueType[] = []) {
    this.symbol = symbol;
    this.params = params.map((type, index) => ({ index, type }));
    this.#results = results;
  }

  /** A local of that type, zero only where it has not been released and taken again. */
  local(type: ValueType): Local {
    const reused = this.#free.get(type)?.pop();
    if (reused) return reused;
    const local = { index: this.params.length + this.#locals.length, type };
    this.#locals.push(type);
    return local;
  }

  /** Gives locals back for later `local` calls. */
  release(...locals: readonly Local[]): void {
    for (const local of locals) {
      const list = this.#free.get(local.type) ?? [];
      list.push(local);
      this.#free.set(local.type, list);
    }
  }

  op(name: PlainOpcode): this {
    this.#code.bytes(plainOpcodes[name]);
    return this;
  }

  /** A load or store; `offset` is the constant byte offset, `align` the log2 of the promised alignment (a hint). */
  memory(name: MemoryOpcode, offset = 0, align = 0): this {
    this.#code.bytes(memoryOpcodes[name]);
    this.#code.u32(align);
    this.#code.u32(offset);
    return this;
  }

  lane(name: LaneOpcode, lane: number): this {
    this.#code.bytes(laneOpcodes[name]);
    this.#code.byte(lane);
    return this;
  }

  memoryLane(name: MemoryLaneOpcode, offset: number, lane: number): this {
    this.#code.bytes(memoryLaneOpcodes[name]);
    this.#code.u32(0);
    this.#code.u32(offset);
    this.#code.byte(lane);
    return this;
  }

  /** i8x16.shuffle with 16 byte indices 0..31. */
  shuffle(lanes: readonly number[]): this {
    assert(lanes.length === 16, "a shuffle has 16 lanes");
    this.#code.bytes([0xfd, 0x0d, ...lanes]);
    return this;
  }

  i32(value: number): this {
    this.#code.byte(0x41);
    this.#code.s32(value);
    return this;
  }

  i64(value: bigint): this {
    this.#code.byte(0x42);
    this.#code.s64(value);
    return this;
  }

  f32(value: number): this {
    this.#code.byte(0x43);
    this.#code.f32(value);
    return this;
  }

  f64(value: number): this {
    this.#code.byte(0x44);
    this.#code.f64(value);
    return this;
  }

  v128(bytes: Uint8Array): this {
    assert(bytes.length === 16, "a v128 has 16 bytes");
    this.#code.bytes([0xfd, 0x0c]);
    this.#code.bytes(bytes);
    return this;
  }

  /** Four equal f32 lanes as a constant. */
  f32x4(value: number): this {
    return this.v128(new Uint8Array(new Float32Array([value, value, value, value]).buffer));
  }

  /** Four equal i32 lanes as a constant. */
  i32x4(value: number): this {
    return this.v128(new Uint8Array(new Int32Array([value, value, value, value]).buffer));
  }

  get(local: Local): this {
    this.#code.byte(0x20);
    this.#code.u32(local.index);
    return this;
  }

  set(local: Local): this {
    this.#code.byte(0x21);
    this.#code.u32(local.index);
    return this;
  }

  tee(local: Local): this {
    this.#code.byte(0x22);
    this.#code.u32(local.index);
    return this;
  }

  /** `block`: branching to the label leaves it. */
  block(body: (end: Label) => void): this {
    return this.#nest(0x02, undefined, body);
  }

  /** `loop`: branching to the label starts it over. */
  loop(body: (head: Label) => void): this {
    return this.#nest(0x03, undefined, body);
  }

  /** `if` on the i32 at the top of the stack; both arms leave a `result` where one is named. */
  if(then: () => void, otherwise?: () => void, result?: ValueType): this {
    return this.#nest(0x04, result, () => {
      then();
      if (otherwise) {
        this.#code.byte(0x05);
        otherwise();
      }
    });
  }

  branch(label: Label): this {
    this.#code.byte(0x0c);
    this.#code.u32(this.#depth - label.depth);
    return this;
  }

  /** Branches where the i32 at the top of the stack is not 0. */
  branchIf(label: Label): this {
    this.#code.byte(0x0d);
    this.#code.u32(this.#depth - label.depth);
    return this;
  }

  call(symbol: string): this {
    this.#code.byte(0x10);
    this.#pieces.push(this.#code.toBytes());
    this.#code = new ByteSink();
    this.#calls.push(symbol);
    return this;
  }

  /**
   * A loop that runs `count` (> 0) times with `counter` going from `start` upwards by `step`; the test is at the end.
   * Emits nothing for count 0.
   */
  countedLoop(counter: Local, start: number, count: number, step: number, body: () => void): this {
    if (count <= 0) return this;
    this.i32(start).set(counter);
    return this.loop((head) => {
      body();
      this.get(counter).i32(step).op("i32.add").tee(counter);
      this.i32(start + count * step)
        .op("i32.ne")
        .branchIf(head);
    });
  }

  /**
   * The body as a function of its own, called here, which is given all locals there are: code within reads them as
   * code around does, and what it sets is not seen outside. An engine can optimise it while the rest still runs.
   */
  outline(body: () => void): this {
    const symbol = `${this.symbol}.${this.#outlined.length}`;
    const around = { code: this.#code, pieces: this.#pieces, calls: this.#calls, depth: this.#depth, free: this.#free };
    const given = [...this.params.map(({ type }) => type), ...this.#locals];
    const count = this.#locals.length;
    [this.#code, this.#pieces, this.#calls, this.#depth] = [new ByteSink(), [], [], 0];
    this.#free = new Map([...around.free].map(([type, list]) => [type, [...list]]));
    body();
    assert(this.#depth === 0, `unbalanced blocks in ${symbol}`);
    this.#code.byte(0x0b);
    const pieces = [...this.#pieces, this.#code.toBytes()];
    const locals = this.#locals.splice(count);
    this.#outlined.push({ symbol, params: given, results: [], locals, pieces, calls: this.#calls });
    [this.#code, this.#pieces, this.#calls] = [around.code, around.pieces, around.calls];
    [this.#depth, this.#free] = [around.depth, around.free];
    for (const [index, type] of given.entries()) this.get({ index, type });
    return this.call(symbol);
  }

  /** What has been outlined so far. */
  get outlined(): readonly WasmFunction[] {
    return this.#outlined;
  }

  finish(): WasmFunction {
    assert(this.#depth === 0, `unbalanced blocks in ${this.symbol}`);
    this.#code.byte(0x0b);
    this.#pieces.push(this.#code.toBytes());
    return {
      symbol: this.symbol,
      params: this.params.map((local) => local.type),
      results: this.#results,
      locals: this.#locals,
      pieces: this.#pieces,
      calls: this.#calls,
    };
  }

  #nest(opcode: number, result: ValueType | undefined, body: (label: Label) => void): this {
    this.#code.byte(opcode);
    this.#code.byte(result === undefined ? 0x40 : valueTypeCodes[result]);
    this.#depth++;
    body({ depth: this.#depth });
    this.#depth--;
    this.#code.byte(0x0b);
    return this;
  }
}
