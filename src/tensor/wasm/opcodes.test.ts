/** Every opcode in the tables, tried on the engine: it exists, and takes and gives what its name says. */
import { describe, expect, it } from "vitest";
import { FunctionBuilder, type ValueType } from "./function-builder.ts";
import { linkModule } from "./module-linker.ts";
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

const types: readonly ValueType[] = ["i32", "i64", "f32", "f64", "v128"];

function isValid(
  params: readonly ValueType[],
  result: ValueType | undefined,
  body: (fn: FunctionBuilder) => void,
): boolean {
  const fn = new FunctionBuilder("f", params, result ? [result] : []);
  for (const param of fn.params) fn.get(param);
  body(fn);
  const bytes = linkModule({ functions: [fn.finish()], exports: new Map(), memoryPages: 1 });
  return WebAssembly.validate(bytes as Uint8Array<ArrayBuffer>);
}

/** Operands as any opcode here has them. */
const operands: readonly (readonly ValueType[])[] = [
  ...types.flatMap((type) => [[type], [type, type], [type, type, type]] as ValueType[][]),
  ["v128", "i32"],
  ["v128", "i64"],
  ["v128", "f32"],
  ["v128", "f64"],
  ["i32", "i64"],
  ["i32", "f32"],
  ["i32", "f64"],
  ["i32", "v128"],
];

/** Of one that leaves nothing: what lies below its operands would stay where it is. */
const atMostTwo = (signature: string): boolean => signature.split(" ").length <= 4;

/** All that the engine lets it take and give, as "f32 f32 -> i32". */
function signatures(body: (fn: FunctionBuilder) => void): string[] {
  return operands.flatMap((params) =>
    [...types, undefined]
      .filter((result) => isValid(params, result, body))
      .map((result) => `${params.join(" ")} -> ${result ?? "nothing"}`),
  );
}

const scalar = (shape: string): string => (/^[if](8|16|32|64)x\d+$/.test(shape) ? "v128" : shape);
const lane = (shape: string): string => {
  const kind = shape.split("x")[0]!;
  return kind === "i8" || kind === "i16" ? "i32" : kind;
};

/** What the name of an opcode without immediates promises; undefined for control and bulk memory. */
function promised(name: PlainOpcode): string | undefined {
  const [shape, operation] = name.split(".") as [string, string | undefined];
  if (operation === undefined || shape === "memory") return undefined;
  const type = shape === "v128" ? "v128" : scalar(shape);
  if (operation === "splat") return `${lane(shape)} -> v128`;
  if (/^(any_true|all_true|bitmask)$/.test(operation)) return "v128 -> i32";
  if (/^(shl|shr_[su])$/.test(operation) && type === "v128") return "v128 i32 -> v128";
  if (/bitselect|laneselect|madd|dot_.*_add/.test(operation)) return "v128 v128 v128 -> v128";
  if (type !== "v128") {
    if (operation === "eqz") return `${type} -> i32`;
    if (/^(eq|ne|[lg][te](_[su])?)$/.test(operation)) return `${type} ${type} -> i32`;
    const from = /_([if](32|64))(_[su])?$/.exec(operation)?.[1];
    if (from) return `${from} -> ${type}`;
  }
  const unary =
    /^(abs|neg|not|sqrt|ceil|floor|trunc|nearest|clz|ctz|popcnt|extend\d|extend_|extadd|convert|promote|demote|trunc_|relaxed_trunc)/;
  return unary.test(operation) ? `${type} -> ${type}` : `${type} ${type} -> ${type}`;
}

describe("opcodes", () => {
  it("have an encoding each", () => {
    const all = [plainOpcodes, memoryOpcodes, laneOpcodes, memoryLaneOpcodes].flatMap((table) => Object.entries(table));
    expect(new Set(all.map(([, bytes]) => bytes.join())).size).toBe(all.length);
    expect(new Set(all.map(([name]) => name)).size).toBe(all.length);
  });

  it("take and give what their names say", () => {
    for (const name of Object.keys(plainOpcodes) as PlainOpcode[]) {
      const expected = promised(name);
      if (expected !== undefined) expect([name, ...signatures((fn) => fn.op(name))]).toEqual([name, expected]);
    }
  });

  it("of control and bulk memory are what they are", () => {
    expect(signatures((fn) => fn.op("drop"))).toContain("f32 -> nothing");
    expect(isValid(["f32", "f32", "i32"], "f32", (fn) => fn.op("select"))).toBe(true);
    expect(isValid(["i32", "i32", "i32"], undefined, (fn) => fn.op("memory.copy"))).toBe(true);
    expect(isValid(["i32", "i32", "i32"], undefined, (fn) => fn.op("memory.fill"))).toBe(true);
    expect(isValid([], "i64", (fn) => fn.op("unreachable"))).toBe(true);
    expect(isValid([], "i64", (fn) => fn.op("nop"))).toBe(false);
    expect(isValid(["i64"], "i64", (fn) => fn.op("nop").op("return"))).toBe(true);
  });

  it("that load and store do so, with the widest alignment their names allow and no wider", () => {
    for (const name of Object.keys(memoryOpcodes) as MemoryOpcode[]) {
      const [type, operation] = name.split(".") as [ValueType, string];
      const bits = /\d+x\d+/.exec(operation)?.[0] === undefined ? /\d+/.exec(operation)?.[0] : "64";
      const bytes = Number(bits ?? (type === "v128" ? 128 : type.slice(1))) / 8;
      const signature = operation.startsWith("store") ? `i32 ${type} -> nothing` : `i32 -> ${type}`;
      expect([name, ...signatures((fn) => fn.memory(name, 16, Math.log2(bytes))).filter(atMostTwo)]).toEqual([
        name,
        signature,
      ]);
      expect([name, ...signatures((fn) => fn.memory(name, 16, Math.log2(bytes) + 1))]).toEqual([name]);
    }
  });

  it("of lanes reach every lane and none beyond", () => {
    for (const name of Object.keys(laneOpcodes) as LaneOpcode[]) {
      const [shape, operation] = name.split(".") as [string, string];
      const signature = operation.startsWith("extract") ? `v128 -> ${lane(shape)}` : `v128 ${lane(shape)} -> v128`;
      const lanes = Number(shape.split("x")[1]);
      expect([name, ...signatures((fn) => fn.lane(name, lanes - 1))]).toEqual([name, signature]);
      expect([name, ...signatures((fn) => fn.lane(name, lanes))]).toEqual([name]);
    }
    for (const name of Object.keys(memoryLaneOpcodes) as MemoryLaneOpcode[]) {
      const lanes = 128 / Number(/\d+(?=_lane)/.exec(name)?.[0]);
      const signature = name.startsWith("v128.store") ? "i32 v128 -> nothing" : "i32 v128 -> v128";
      expect([name, ...signatures((fn) => fn.memoryLane(name, 8, lanes - 1))]).toEqual([name, signature]);
      expect([name, ...signatures((fn) => fn.memoryLane(name, 8, lanes))]).toEqual([name]);
    }
  });
});
