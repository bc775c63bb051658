/**
 * Matrix products and convolutions as plain loops: sums in double precision, rounded once, then the epilogue.
 *
 * Loops are ordered so that memory is read in sequence: a plain interpreter of the definition would be ten times
 * slower, and the reference would not be run. Nothing else is clever here.
 */
import { assert } from "../../base/index.ts";
import type { ContractionKernel, ConvolutionContraction, Epilogue, GemmContraction } from "../ir/kernel.ts";
import type { KernelPrinter } from "./print.ts";

export function contractionText(kernel: ContractionKernel, printer: KernelPrinter): void {
  if (kernel.contraction.form === "gemm") gemmText(kernel.contraction, kernel.epilogue, printer);
  else convolutionText(kernel.contraction, kernel.epilogue, printer);
}

function gemmText(gemm: GemmContraction, epilogue: Epilogue, printer: KernelPrinter): void {
  const { batch, m, n, k } = gemm;
  const [a, b] = [printer.array(gemm.a.buffer), printer.array(gemm.b.buffer)];
  const names = epilogue.indices.map(({ id }) => `v${id}`);
  assert(names.length === batch.length + 2, "a matrix product's indices are its batch axes, m and n");
  const line = (text: string): void => printer.line(text);
  line(`const sums = new Float64Array(${n});`);
  for (const [axis, { extent }] of batch.entries())
    line(`for (let ${names[axis]} = 0; ${names[axis]} < ${extent}; ${names[axis]}++) {`);
  const offset = (strides: readonly number[]): string =>
    ["0", ...strides.flatMap((stride, axis) => (stride === 0 ? [] : [`${names[axis]} * ${stride}`]))].join(" + ");
  line(
    `const batchA = ${offset(batch.map(({ strideA }) => strideA))}, batchB = ${offset(batch.map(({ strideB }) => strideB))};`,
  );
  const [row, column] = names.slice(-2);
  line(`for (let ${row} = 0; ${row} < ${m}; ${row}++) {`);
  line(`const rowA = batchA + ${row} * ${gemm.a.strideM};`);
  if (gemm.b.strideK === 1 && gemm.b.strideN !== 1) {
    line(`for (let n = 0; n < ${n}; n++) {`);
    line(`let sum = 0, p = rowA, q = batchB + n * ${gemm.b.strideN};`);
    line(`for (let k = 0; k < ${k}; k++) { sum += ${a}[p] * ${b}[q]; p += ${gemm.a.strideK}; q++; }`);
    line("sums[n] = sum;\n}");
  } else {
    const { strideK, strideN } = gemm.b;
    line("sums.fill(0);\nlet k = 0;");
    line(`for (; k + 3 < ${k}; k += 4) {`);
    line(`const p = rowA + k * ${gemm.a.strideK};`);
    const lanes = [0, 1, 2, 3];
    line(`const ${lanes.map((lane) => `a${lane} = ${a}[p + ${lane * gemm.a.strideK}]`).join(", ")};`);
    line(`let q = batchB + k * ${strideK};`);
    const terms = lanes.map((lane) => `a${lane} * ${b}[q + ${lane * strideK}]`).join(" + ");
    line(`for (let n = 0; n < ${n}; n++) { sums[n] += ${terms}; q += ${strideN}; }\n}`);
    line(`for (; k < ${k}; k++) {`);
    line(`const a0 = ${a}[rowA + k * ${gemm.a.strideK}];\nlet q = batchB + k * ${strideK};`);
    line(`for (let n = 0; n < ${n}; n++) { sums[n] += a0 * ${b}[q]; q += ${strideN}; }\n}`);
  }
  line(`for (let ${column} = 0; ${column} < ${n}; ${column}++) {`);
  line(`const v${epilogue.result.id} = $fround(sums[${column}]);`);
  printer.statements(epilogue.body);
  line("}".repeat(batch.length + 2));
}

/** From this number of channels a group on, all channels of a group are summed at once. */
const manyChannels = 8;

function convolutionText(convolution: ConvolutionContraction, epilogue: Epilogue, printer: KernelPrinter): void {
  const { inChannels, groups, outChannels } = convolution;
  const [input, weights] = [printer.array(convolution.input), printer.array(convolution.weights)];
  const names = epilogue.indices.map(({ id }) => `v${id}`);
  assert(names.length === 4, "a convolution's indices are batch, y, x and channel");
  const [batch, y, x, channel] = names;
  const taps = convolution.kernelHeight * convolution.kernelWidth;
  const size = (inChannels / groups) * taps;
  const many = outChannels / groups >= manyChannels;
  const line = (text: string): void => printer.line(text);
  line(`const patch = new Float64Array(${inChannels * taps});`);
  if (many) turnedWeightsText(outChannels, size, weights, line);
  line(`for (let ${batch} = 0; ${batch} < ${convolution.batch}; ${batch}++) {`);
  line(`for (let ${y} = 0; ${y} < ${convolution.outHeight}; ${y}++) {`);
  line(`for (let ${x} = 0; ${x} < ${convolution.outWidth}; ${x}++) {`);
  patchText(convolution, input, batch!, y!, x!, line);
  if (many) channelSumsText(convolution, size, line);
  line(`for (let ${channel} = 0; ${channel} < ${outChannels}; ${channel}++) {`);
  if (!many) {
    line(`let p = (${channel} / ${outChannels / groups} | 0) * ${size}, q = ${channel} * ${size}, sum = 0;`);
    line(`for (const end = q + ${size}; q < end; p++, q++) sum += patch[p] * ${weights}[q];`);
  }
  line(`const v${epilogue.result.id} = $fround(${many ? `sums[${channel}]` : "sum"});`);
  printer.statements(epilogue.body);
  line("}\n}\n}\n}");
}

type Line = (text: string) => void;

/** Fills `patch` with the inputs under the window, in the order of the weights; 0 in the padding. */
function patchText(form: ConvolutionContraction, input: string, batch: string, y: string, x: string, line: Line): void {
  const { inHeight, inWidth, inChannels, kernelHeight, kernelWidth } = form;
  const taps = kernelHeight * kernelWidth;
  line(`for (let ky = 0, tap = 0; ky < ${kernelHeight}; ky++) {`);
  line(`const sy = ${y} * ${form.strideY} - ${form.padTop} + ky * ${form.dilationY};`);
  line(`for (let kx = 0; kx < ${kernelWidth}; kx++, tap++) {`);
  line(`const sx = ${x} * ${form.strideX} - ${form.padLeft} + kx * ${form.dilationX};`);
  line(`if (sy >= 0 && sy < ${inHeight} && sx >= 0 && sx < ${inWidth}) {`);
  line(`const source = ((${batch} * ${inHeight} + sy) * ${inWidth} + sx) * ${inChannels};`);
  line(`for (let c = 0; c < ${inChannels}; c++) patch[c * ${taps} + tap] = ${input}[source + c];`);
  line(`} else for (let c = 0; c < ${inChannels}; c++) patch[c * ${taps} + tap] = 0;`);
  line("}\n}");
}

/** Weights with the channel innermost, so that sums of all channels read them in sequence. */
function turnedWeightsText(outChannels: number, size: number, weights: string, line: Line): void {
  line(`const sums = new Float64Array(${outChannels}), turned = new Float32Array(${outChannels * size});`);
  line(`for (let c = 0, q = 0; c < ${outChannels}; c++)`);
  line(`for (let tap = 0; tap < ${size}; tap++, q++) turned[tap * ${outChannels} + c] = ${weights}[q];`);
}

/** Adds up `sums` of all channels, four taps at a time. */
function channelSumsText({ groups, outChannels }: ConvolutionContraction, size: number, line: Line): void {
  const perGroup = outChannels / groups;
  const lanes = [0, 1, 2, 3];
  const terms = lanes.map((lane) => `x${lane} * turned[q + ${lane * outChannels}]`).join(" + ");
  const channels = `for (let c = first, q = tap * ${outChannels} + first; c < last; c++, q++)`;
  line("sums.fill(0);");
  line(`for (let g = 0; g < ${groups}; g++) {`);
  line(`const p = g * ${size}, first = g * ${perGroup}, last = first + ${perGroup};\nlet tap = 0;`);
  line(`for (; tap + 3 < ${size}; tap += 4) {`);
  line(`const ${lanes.map((lane) => `x${lane} = patch[p + tap + ${lane}]`).join(", ")};`);
  line(`${channels} sums[c] += ${terms};\n}`);
  line(`for (; tap < ${size}; tap++) {\nconst x0 = patch[p + tap];\n${channels} sums[c] += x0 * turned[q];\n}\n}`);
}
