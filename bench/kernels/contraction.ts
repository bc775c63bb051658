/**
 * Speed of matrix products and convolutions, strict and relaxed, by layers of real models: GFLOP/s, the best and the
 * median of interleaved rounds. `node bench/kernels/contraction.ts [part of a name] [rounds]`.
 *
 * Compiled without the baseline tier, so that the first call already runs optimised code. The first two lines are what
 * this processor can do at all in 128-bit lanes: twelve independent accumulators that never leave the registers.
 */
import { setFlagsFromString } from "node:v8";
import { systemClock } from "../../src/base/index.ts";
import {
  buildLone,
  convolution,
  countB,
  gemm,
  type LoneContraction,
  resultShape,
} from "../../src/tensor/contraction/testing/lone-contraction.ts";
import type { Contraction } from "../../src/tensor/ir/kernel.ts";
import { FunctionBuilder } from "../../src/tensor/wasm/function-builder.ts";
import { linkModule } from "../../src/tensor/wasm/module-linker.ts";

setFlagsFromString("--no-liftoff");
setFlagsFromString("--no-wasm-lazy-compilation");

interface Layer {
  readonly name: string;
  readonly contraction: Contraction;
  readonly constantB?: boolean;
}

const square = (size: number, inChannels: number, outChannels: number, kernel: number, stride = 1): Contraction =>
  convolution({
    inHeight: size,
    inWidth: size,
    inChannels,
    outChannels,
    kernelHeight: kernel,
    kernelWidth: kernel,
    strideY: stride,
    strideX: stride,
    pad: kernel >> 1,
  });

const depthwise = (size: number, channels: number, stride = 1): Contraction =>
  convolution({
    inHeight: size,
    inWidth: size,
    inChannels: channels,
    outChannels: channels,
    groups: channels,
    kernelHeight: 3,
    kernelWidth: 3,
    strideY: stride,
    strideX: stride,
    pad: 1,
  });

const heads = (m: number, k: number, n: number, transposedB: boolean): Contraction =>
  gemm(m, k, n, { transposedB, batch: [{ extent: 4, strideA: m * k, strideB: k * n }] });

const layers: readonly Layer[] = [
  { name: "resnet50 7x7/2 3>64 224", contraction: square(224, 3, 64, 7, 2) },
  { name: "resnet50 1x1 64>64 56", contraction: square(56, 64, 64, 1) },
  { name: "resnet50 3x3 64>64 56", contraction: square(56, 64, 64, 3) },
  { name: "resnet50 1x1 64>256 56", contraction: square(56, 64, 256, 1) },
  { name: "resnet50 1x1 256>64 56", contraction: square(56, 256, 64, 1) },
  { name: "resnet50 1x1/2 256>512 56", contraction: square(56, 256, 512, 1, 2) },
  { name: "resnet50 3x3 128>128 28", contraction: square(28, 128, 128, 3) },
  { name: "resnet50 1x1 512>128 28", contraction: square(28, 512, 128, 1) },
  { name: "resnet50 3x3/2 128>128 56", contraction: square(56, 128, 128, 3, 2) },
  { name: "resnet50 3x3 256>256 14", contraction: square(14, 256, 256, 3) },
  { name: "resnet50 1x1 256>1024 14", contraction: square(14, 256, 1024, 1) },
  { name: "resnet50 1x1 1024>256 14", contraction: square(14, 1024, 256, 1) },
  { name: "resnet50 3x3 512>512 7", contraction: square(7, 512, 512, 3) },
  { name: "resnet50 1x1 2048>512 7", contraction: square(7, 2048, 512, 1) },
  { name: "resnet50 1x1 512>2048 7", contraction: square(7, 512, 2048, 1) },
  { name: "resnet50 fc 2048>1000", contraction: gemm(1, 2048, 1000, { transposedB: true }) },
  { name: "mobilenetv2 3x3/2 3>32 224", contraction: square(224, 3, 32, 3, 2) },
  { name: "mobilenetv2 1x1 32>16 112", contraction: square(112, 32, 16, 1) },
  { name: "mobilenetv2 1x1 16>96 112", contraction: square(112, 16, 96, 1) },
  { name: "mobilenetv2 1x1 24>144 56", contraction: square(56, 24, 144, 1) },
  { name: "mobilenetv2 1x1 144>24 56", contraction: square(56, 144, 24, 1) },
  { name: "mobilenetv2 1x1 32>192 28", contraction: square(28, 32, 192, 1) },
  { name: "mobilenetv2 1x1 384>64 14", contraction: square(14, 384, 64, 1) },
  { name: "mobilenetv2 1x1 96>576 14", contraction: square(14, 96, 576, 1) },
  { name: "mobilenetv2 1x1 960>160 7", contraction: square(7, 960, 160, 1) },
  { name: "mobilenetv2 1x1 320>1280 7", contraction: square(7, 320, 1280, 1) },
  { name: "mobilenetv2 dw 32 112", contraction: depthwise(112, 32) },
  { name: "mobilenetv2 dw/2 96 112", contraction: depthwise(112, 96, 2) },
  { name: "mobilenetv2 dw 144 56", contraction: depthwise(56, 144) },
  { name: "mobilenetv2 dw 192 28", contraction: depthwise(28, 192) },
  { name: "mobilenetv2 dw 384 14", contraction: depthwise(14, 384) },
  { name: "mobilenetv2 dw/2 576 14", contraction: depthwise(14, 576, 2) },
  { name: "mobilenetv2 dw 960 7", contraction: depthwise(7, 960) },
  { name: "squeezenet 3x3 16>64 55", contraction: square(55, 16, 64, 3) },
  { name: "squeezenet 1x1 64>16 55", contraction: square(55, 64, 16, 1) },
  { name: "squeezenet 3x3 48>192 27", contraction: square(27, 48, 192, 3) },
  { name: "squeezenet 3x3 64>256 13", contraction: square(13, 64, 256, 3) },
  { name: "squeezenet 1x1 512>1000 13", contraction: square(13, 512, 1000, 1) },
  { name: "encoder 32x128x128", contraction: gemm(32, 128, 128) },
  { name: "encoder 32x128x512", contraction: gemm(32, 128, 512) },
  { name: "encoder 32x512x128", contraction: gemm(32, 512, 128) },
  { name: "encoder q*kT 4x32x32x32", contraction: heads(32, 32, 32, true), constantB: false },
  { name: "encoder p*v 4x32x32x32", contraction: heads(32, 32, 32, false), constantB: false },
  { name: "gemm 256", contraction: gemm(256, 256, 256) },
  { name: "gemm 512 run-time B", contraction: gemm(512, 512, 512), constantB: false },
];

function operationsOf(contraction: Contraction): number {
  const results = resultShape(contraction).reduce((product, extent) => product * extent, 1);
  const taps =
    contraction.form === "gemm"
      ? contraction.k
      : (contraction.inChannels / contraction.groups) * contraction.kernelHeight * contraction.kernelWidth;
  return results * taps * 2;
}

/** GFLOP/s of a loop that only multiplies and adds. */
function roofline(relaxed: boolean): number {
  const chains = 12;
  const turns = 200_000;
  const builder = new FunctionBuilder("roofline", []);
  const sums = Array.from({ length: chains }, () => builder.local("v128"));
  const factor = builder.local("v128");
  const counter = builder.local("i32");
  builder.f32x4(0.5).set(factor);
  builder.countedLoop(counter, 0, turns, 1, () => {
    for (const sum of sums) {
      if (relaxed) builder.get(factor).get(factor).get(sum).op("f32x4.relaxed_madd").set(sum);
      else builder.get(sum).get(factor).op("f32x4.mul").get(factor).op("f32x4.add").set(sum);
    }
  });
  builder.i32(0);
  for (const sum of sums.slice(1)) builder.get(sums[0]!).get(sum).op("f32x4.add").set(sums[0]!);
  builder.get(sums[0]!).memory("v128.store");
  const module = linkModule({
    functions: [builder.finish()],
    exports: new Map([["roofline", "run"]]),
    memoryPages: 1,
  });
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(module as Uint8Array<ArrayBuffer>)).exports;
  return (chains * 8 * turns) / best(() => (run as () => void)(), 60) / 1e6;
}

function timeMs(work: () => void): number {
  const start = systemClock.monotonicMs();
  work();
  return systemClock.monotonicMs() - start;
}

function best(work: () => void, rounds: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) least = Math.min(least, timeMs(work));
  return least;
}

function fill(array: Float32Array): Float32Array {
  for (let at = 0; at < array.length; at++) array[at] = ((at * 7919) % 997) / 997 - 0.5;
  return array;
}

function prepare(layer: Layer, relaxed: boolean): LoneContraction {
  const lone = buildLone(layer.contraction, { relaxed, constantB: layer.constantB ?? true, biasRelu: true });
  fill(lone.a);
  fill(lone.bias);
  lone.setB(fill(new Float32Array(countB(layer.contraction))));
  lone.run();
  return lone;
}

const [, , wanted = "", roundsText = "40"] = process.argv;
const rounds = Number(roundsText);
process.stdout.write(`registers only: strict ${roofline(false).toFixed(1)}, relaxed ${roofline(true).toFixed(1)}\n`);
process.stdout.write(`${"GFLOP/s: best (median)".padEnd(30)} ${"strict".padEnd(14)} relaxed\n`);
for (const layer of layers.filter(({ name }) => name.includes(wanted))) {
  const operations = operationsOf(layer.contraction);
  const variants = [prepare(layer, false), prepare(layer, true)];
  const repeats = Math.max(1, Math.ceil(1e7 / operations));
  const times: number[][] = variants.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [place, lone] of variants.entries()) {
      times[place]!.push(
        timeMs(() => {
          for (let turn = 0; turn < repeats; turn++) lone.run();
        }) / repeats,
      );
    }
  }
  const cells = times.map((list) => {
    const sorted = list.toSorted((p, q) => p - q);
    const speed = (ms: number): string => (operations / ms / 1e6).toFixed(1);
    return `${speed(sorted[0]!)} (${speed(sorted[sorted.length >> 1]!)})`.padEnd(14);
  });
  process.stdout.write(`${layer.name.padEnd(30)} ${cells.join(" ")} code ${variants[1]!.codeBytes}\n`);
}
