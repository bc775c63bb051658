/** The assembler and the linker against bytes written by hand and against the engine's own reading of them. */
import { describe, expect, it } from "vitest";
import { ByteSink } from "./bytes.ts";
import { FunctionBuilder, type ValueType, type WasmFunction } from "./function-builder.ts";
import { linkModule } from "./module-linker.ts";

const hex = (text: string): number[] => text.split(/\s+/).map((byte) => Number.parseInt(byte, 16));

function written(write: (sink: ByteSink) => void): number[] {
  const sink = new ByteSink();
  write(sink);
  return [...sink.toBytes()];
}

type Exports = Readonly<Record<string, (...values: (number | bigint)[]) => number | bigint>>;

function linked(...functions: WasmFunction[]): Uint8Array {
  return linkModule({ functions, exports: new Map(functions.map(({ symbol }) => [symbol, symbol])), memoryPages: 1 });
}

function instanceOf(...functions: WasmFunction[]): Exports & { readonly memory: { readonly buffer: ArrayBuffer } } {
  const module = new WebAssembly.Module(linked(...functions) as Uint8Array<ArrayBuffer>);
  return new WebAssembly.Instance(module).exports as never;
}

function built(
  symbol: string,
  params: readonly ValueType[],
  results: readonly ValueType[],
  body: (fn: FunctionBuilder) => void,
): WasmFunction {
  const fn = new FunctionBuilder(symbol, params, results);
  body(fn);
  return fn.finish();
}

describe("a byte sink", () => {
  it.each([
    [0, "00"],
    [127, "7f"],
    [128, "80 01"],
    [624_485, "e5 8e 26"],
    [2 ** 32 - 1, "ff ff ff ff 0f"],
  ])("writes the unsigned %i", (value, bytes) => {
    expect(written((sink) => sink.u32(value))).toEqual(hex(bytes));
  });

  it.each([
    [0, "00"],
    [63, "3f"],
    [64, "c0 00"],
    [-1, "7f"],
    [-64, "40"],
    [-65, "bf 7f"],
    [-123_456, "c0 bb 78"],
    [-(2 ** 31), "80 80 80 80 78"],
  ])("writes the signed %i, at both widths", (value, bytes) => {
    expect(written((sink) => sink.s32(value))).toEqual(hex(bytes));
    expect(written((sink) => sink.s64(BigInt(value)))).toEqual(hex(bytes));
  });

  it("writes the ends of 64 bits", () => {
    expect(written((sink) => sink.s64(2n ** 63n - 1n))).toEqual(hex("ff ff ff ff ff ff ff ff ff 00"));
    expect(written((sink) => sink.s64(-(2n ** 63n)))).toEqual(hex("80 80 80 80 80 80 80 80 80 7f"));
  });

  it("writes floats little-endian, names by their bytes, and grows without losing any", () => {
    expect(written((sink) => sink.f32(-2))).toEqual(hex("00 00 00 c0"));
    expect(written((sink) => sink.f64(1))).toEqual(hex("00 00 00 00 00 00 f0 3f"));
    expect(written((sink) => sink.name("é"))).toEqual(hex("02 c3 a9"));
    const many = Array.from({ length: 1000 }, (_, place) => place % 251);
    expect(written((sink) => void [...many, ...many].map((byte) => sink.byte(byte)))).toEqual([...many, ...many]);
  });
});

describe("a module", () => {
  const add = built("add", ["i32", "i32"], ["i32"], (fn) => fn.get(fn.params[0]!).get(fn.params[1]!).op("i32.add"));

  it("has the bytes of the format's specification", () => {
    const expected = hex(
      `00 61 73 6d 01 00 00 00
       01 07 01 60 02 7f 7f 01 7f
       03 02 01 00
       05 04 01 01 01 01
       07 10 02 03 61 64 64 00 00 06 6d 65 6d 6f 72 79 02 00
       0a 09 01 07 00 20 00 20 01 6a 0b`,
    );
    expect([...linked(add)]).toEqual(expected);
    expect(instanceOf(add).add!(20, 22)).toBe(42);
  });

  it("takes calls by name, to functions before and after, and types that are equal once", () => {
    const twice = built("twice", ["i32"], ["i32"], (fn) => fn.get(fn.params[0]!).get(fn.params[0]!).call("add"));
    const next = built("next", ["i32"], ["i32"], (fn) => fn.get(fn.params[0]!).call("twice").i32(1).call("add"));
    for (const order of [
      [add, twice, next],
      [next, twice, add],
    ])
      expect(instanceOf(...order).next!(20)).toBe(41);
    // Two types for three functions.
    expect(linked(add, twice, next)[10]).toBe(2);
  });

  it("is not made of what does not fit", () => {
    const lost = built("lost", [], [], (fn) => fn.call("nowhere"));
    expect(() => linked(lost)).toThrow("nowhere");
    expect(() => linked(add, add)).toThrow("add defined twice");
    const functions = [add];
    expect(() => linkModule({ functions, exports: new Map([["sub", "sub"]]), memoryPages: 1 })).toThrow("sub");
  });

  it("has a memory of a size that is fixed, its own or the host's", () => {
    const { memory } = instanceOf(add);
    expect(memory.buffer.byteLength).toBe(65_536);
    const fill = built("fill", [], [], (fn) => fn.i32(8).i32(7).op("i32.add").i32(42).memory("i32.store8", 1));
    const bytes = linkModule({
      functions: [fill],
      exports: new Map([["fill", "go"]]),
      memoryPages: 2,
      importMemory: true,
    });
    const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    expect(
      () => new WebAssembly.Instance(module, { holdfast: { memory: new WebAssembly.Memory({ initial: 1 }) } }),
    ).toThrow();
    const own = new WebAssembly.Memory({ initial: 2, maximum: 2 });
    const { exports } = new WebAssembly.Instance(module, { holdfast: { memory: own } });
    expect(Object.keys(exports)).toEqual(["go"]);
    (exports as Exports).go!();
    expect(new Uint8Array(own.buffer)[16]).toBe(42);
  });
});

describe("a function", () => {
  it("branches to the block that was meant, however deep it is left", () => {
    const fn = built("place", ["i32"], ["i32"], (body) => {
      const [given] = body.params;
      const found = body.local("i32");
      body.block((outer) => {
        body.block((inner) => {
          body.get(given!).op("i32.eqz").branchIf(outer);
          body.get(given!).i32(1).op("i32.eq").branchIf(inner);
          body.i32(1000).set(found);
        });
        body.get(found).i32(100).op("i32.add").set(found);
      });
      body.get(found).i32(10).op("i32.add");
    });
    const { place } = instanceOf(fn);
    expect([0, 1, 2].map((given) => place!(given))).toEqual([10, 110, 1110]);
  });

  it("counts as often as it was told, from where it was told", () => {
    const counted = (start: number, count: number, step: number): WasmFunction =>
      built("sum", [], ["i32"], (body) => {
        const [counter, sum] = [body.local("i32"), body.local("i32")];
        body.countedLoop(counter, start, count, step, () => body.get(sum).get(counter).op("i32.add").set(sum));
        body.get(sum);
      });
    expect(instanceOf(counted(0, 5, 1)).sum!()).toBe(10);
    expect(instanceOf(counted(100, 3, -4)).sum!()).toBe(288);
    expect(instanceOf(counted(7, 0, 1)).sum!()).toBe(0);
  });

  it("takes locals again that were given back, and only those of the type", () => {
    const fn = new FunctionBuilder("reuse", ["i32"]);
    const first = fn.local("f32");
    fn.release(first);
    expect(fn.local("i32").index).toBe(2);
    expect(fn.local("f32")).toBe(first);
    expect(fn.finish().locals).toEqual(["f32", "i32"]);
  });

  it("hands a part of itself to a function of its own, with all that it knows and nothing of what that sets", () => {
    const fn = new FunctionBuilder("whole", ["i32", "f64"], ["i32"]);
    const [given] = fn.params;
    const [seven, kept] = [fn.local("i32"), fn.local("i32")];
    const spare = fn.local("f32");
    fn.release(spare);
    fn.i32(7).set(seven).i32(1).set(kept);
    fn.block((out) => {
      fn.get(given!).op("i32.eqz").branchIf(out);
      fn.outline(() => {
        const [sum, again] = [fn.local("i32"), fn.local("f32")];
        expect(again).toBe(spare);
        fn.block((inner) => {
          fn.get(given!).get(seven).op("i32.add").tee(sum).i32(10).op("i32.lt_s").branchIf(inner);
          fn.i32(0).get(sum).memory("i32.store").i32(99).set(kept);
        });
      });
    });
    const after = fn.local("v128");
    fn.get(kept);
    const whole = fn.finish();
    expect(fn.outlined.map(({ symbol, params, locals }) => ({ symbol, params, locals }))).toEqual([
      { symbol: "whole.0", params: ["i32", "f64", "i32", "i32", "f32"], locals: ["i32"] },
    ]);
    expect(after.index).toBe(5);
    const exports = instanceOf(whole, ...fn.outlined);
    const stored = (value: number): number => {
      new DataView(exports.memory.buffer).setInt32(0, -1, true);
      expect(exports.whole!(value, 0)).toBe(1);
      return new DataView(exports.memory.buffer).getInt32(0, true);
    };
    expect([0, 1, 5].map(stored)).toEqual([-1, -1, 12]);
  });

  it("chooses between arms that leave a value", () => {
    const fn = built("sign", ["f64"], ["i64"], (body) => {
      body.get(body.params[0]!).f64(0).op("f64.lt");
      body.if(
        () => body.i64(-1n),
        () => body.i64(2n ** 40n),
        "i64",
      );
    });
    const { sign } = instanceOf(fn);
    expect([sign!(-3), sign!(3)]).toEqual([-1n, 2n ** 40n]);
  });

  it("does not end with a block open, nor take a shuffle of fifteen lanes", () => {
    const open = new FunctionBuilder("open", []);
    open.block(() => expect(() => open.finish()).toThrow("unbalanced"));
    expect(() => new FunctionBuilder("short", []).shuffle(Array.from({ length: 15 }, () => 0))).toThrow("16 lanes");
  });
});
