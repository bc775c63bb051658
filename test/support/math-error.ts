/** The error of a shared f32 function in units in the last place, over any set of float bit patterns. */
import { sharedFunction } from "../../src/tensor/codegen/math-functions.ts";
import { evaluateSource } from "../../src/tensor/eager/execute.ts";
import { FunctionBuilder, type WasmFunction } from "../../src/tensor/wasm/function-builder.ts";
import { linkModule } from "../../src/tensor/wasm/module-linker.ts";

export const measured = ["exp", "log", "tanh", "sigmoid", "erf"] as const;
export type Measured = (typeof measured)[number];

const count = 4096;

/** What the function should give, in double precision. */
export function referenceOf(name: Measured): (x: number) => number {
  if (name === "erf") {
    const apply = evaluateSource("(b0, b1) => { b1[0] = $erf(b0[0]); }");
    const [input, output] = [new Float64Array(1), new Float64Array(1)];
    return (x) => {
      input[0] = x;
      apply(input, output);
      return output[0]!;
    };
  }
  if (name === "sigmoid") return (x) => 1 / (1 + Math.exp(-x));
  return Math[name];
}

/** Applies the vector form to a block of floats, in place. */
function vectorFunction(name: Measured, relaxed: boolean): { readonly block: Float32Array; run(): void } {
  const functions = new Map<string, WasmFunction>();
  const require = (symbol: string): string => {
    if (!functions.has(symbol)) functions.set(symbol, sharedFunction(symbol, relaxed, require));
    return symbol;
  };
  require(`${name}.f32x4`);
  const b = new FunctionBuilder("apply", []);
  const at = b.local("i32");
  b.countedLoop(at, 0, count / 4, 16, () => {
    b.get(at).get(at).memory("v128.load").call(`${name}.f32x4`).memory("v128.store");
  });
  const module = linkModule({
    functions: [...functions.values(), b.finish()],
    exports: new Map([["apply", "apply"]]),
    memoryPages: 1,
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module as Uint8Array<ArrayBuffer>));
  const memory = instance.exports.memory as WebAssembly.Memory;
  return { block: new Float32Array(memory.buffer, 0, count), run: instance.exports.apply as () => void };
}

export interface Worst {
  readonly ulp: number;
  readonly at: number;
  readonly points: number;
}

/** Distance of floats around a value. */
function ulpOf(value: number): number {
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(value))));
  return 2 ** (exponent - 23);
}

/** The largest error over bit patterns first, first + step, … of all 2^32. */
export function worstError(name: Measured, relaxed: boolean, step: number, first = 0): Worst {
  const { block, run } = vectorFunction(name, relaxed);
  const bits = new Uint32Array(block.buffer, 0, count);
  const reference = referenceOf(name);
  const inputs = new Float32Array(count);
  let worst = { ulp: 0, at: 0 };
  let points = 0;
  for (let base = first; base < 2 ** 32; base += step * count) {
    for (let place = 0; place < count; place++) bits[place] = Math.min(2 ** 32 - 1, base + place * step);
    inputs.set(block);
    run();
    for (let place = 0; place < count; place++) {
      const x = inputs[place]!;
      const want = reference(x);
      const have = block[place]!;
      points++;
      if (Object.is(Math.fround(want), have) || (want !== want && have !== have) || Math.fround(want) === have)
        continue;
      const finite = Math.abs(want) < 3.4028235677973366e38 ? want : Math.sign(want) * 2 ** 128;
      const error =
        Math.abs((Number.isFinite(have) ? have : Math.sign(have) * 2 ** 128) - finite) / ulpOf(finite || 2 ** -140);
      if (!(error <= worst.ulp)) worst = { ulp: error, at: x };
    }
  }
  return { ...worst, points };
}
