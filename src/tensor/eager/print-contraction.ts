/**
 * Contractions as plain JavaScript loops, straight from their definition: sums in double, rounded once, and the
 * epilogue's statements for each result.
 */
import type { ContractionKernel, ConvolutionContraction, GemmContraction, Stmt } from "../ir/kernel.ts";

export function printContraction(kernel: ContractionKernel, block: (statements: readonly Stmt[]) => string): string {
  const { contraction, epilogue } = kernel;
  const indices = epilogue.indices.map((index) => `v${index.id}`);
  const finish = `const v${epilogue.result.id} = Math.fround(sum);${block(epilogue.body)}`;
  return contraction.form === "gemm" ? printGemm(contraction, indices, finish) : printConvolution(contraction, indices, finish);
}

function loop(index: string, extent: number, body: string): string {
  return `for (let ${index} = 0; ${index} < ${extent}; ${index}++) {${body}}\n`;
}

function printGemm(gemm: GemmContraction, indices: readonly string[], finish: string): string {
  const { a, b, batch, k, m, n } = gemm;
  const mIndex = indices[batch.length]!;
  const nIndex = indices[batch.length + 1]!;
  const offset = (strides: readonly number[]): string => ["0", ...strides.map((stride, axis) => `${indices[axis]} * ${stride}`)].join(" + ");
  const fromA = `${offset(batch.map((axis) => axis.strideA))} + ${mIndex} * ${a.strideM}`;
  const fromB = `${offset(batch.map((axis) => axis.strideB))} + ${nIndex} * ${b.strideN}`;
  const step = `pa += ${a.strideK}, pb += ${b.strideK}`;
  const dot = `let sum = 0; for (let k = 0, pa = ${fromA}, pb = ${fromB}; k < ${k}; k++, ${step}) sum += b${a.buffer}[pa] * b${b.buffer}[pb];\n`;
  const inner = loop(mIndex, m, loop(nIndex, n, `${dot}${finish}`));
  return batch.reduceRight((body, axis, place) => loop(indices[place]!, axis.extent, body), inner);
}

function printConvolution(conv: ConvolutionContraction, indices: readonly string[], finish: string): string {
  const [batch, y, x, channel] = indices as [string, string, string, string];
  const perGroup = conv.inChannels / conv.groups;
  const outPerGroup = conv.outChannels / conv.groups;
  const taps = conv.kernelHeight * conv.kernelWidth;
  const inner = `const at = (${batch} * ${conv.inHeight * conv.inWidth} + sy * ${conv.inWidth} + sx) * ${conv.inChannels} + from;
const weight = ${channel} * ${perGroup * taps} + ky * ${conv.kernelWidth} + kx;
for (let c = 0; c < ${perGroup}; c++) sum += b${conv.input}[at + c] * b${conv.weights}[weight + c * ${taps}];\n`;
  const column = loop("kx", conv.kernelWidth, `const sx = ${x} * ${conv.strideX} + kx * ${conv.dilationX} - ${conv.padLeft}; if (sx < 0 || sx >= ${conv.inWidth}) continue; ${inner}`);
  const row = loop("ky", conv.kernelHeight, `const sy = ${y} * ${conv.strideY} + ky * ${conv.dilationY} - ${conv.padTop}; if (sy < 0 || sy >= ${conv.inHeight}) continue; ${column}`);
  const body = `let sum = 0; const from = ((${channel} / ${outPerGroup}) | 0) * ${perGroup};\n${row}${finish}`;
  const pixel = loop(y, conv.outHeight, loop(x, conv.outWidth, loop(channel, conv.outChannels, body)));
  return loop(batch, conv.batch, pixel);
}
