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

function convolutionText(convolution: ConvolutionContraction, epilogue: Epilogue, printer: KernelPrinter): void {
  const { inHeight, inWidth, inChannels, kernelHeight, kernelWidth, groups, outChannels } = convolution;
  const [input, weights] = [printer.array(convolution.input), printer.array(convolution.weights)];
  const names = epilogue.indices.map(({ id }) => `v${id}`);
  assert(names.length === 4, "a convolution's indices are batch, y, x and channel");
  const [batch, y, x, channel] = names;
  const taps = kernelHeight * kernelWidth;
  const size = (inChannels / groups) * taps;
  const line = (text: string): void => printer.line(text);
  line(`const patch = new Float64Array(${inChannels * taps});`);
  line(`for (let ${batch} = 0; ${batch} < ${convolution.batch}; ${batch}++) {`);
  line(`for (let ${y} = 0; ${y} < ${convolution.outHeight}; ${y}++) {`);
  line(`for (let ${x} = 0; ${x} < ${convolution.outWidth}; ${x}++) {`);
  // The inputs under the window, in the order of the weights; 0 in the padding.
  line(`for (let ky = 0, tap = 0; ky < ${kernelHeight}; ky++) {`);
  line(`const sy = ${y} * ${convolution.strideY} - ${convolution.padTop} + ky * ${convolution.dilationY};`);
  line(`for (let kx = 0; kx < ${kernelWidth}; kx++, tap++) {`);
  line(`const sx = ${x} * ${convolution.strideX} - ${convolution.padLeft} + kx * ${convolution.dilationX};`);
  line(`if (sy >= 0 && sy < ${inHeight} && sx >= 0 && sx < ${inWidth}) {`);
  line(`const source = ((${batch} * ${inHeight} + sy) * ${inWidth} + sx) * ${inChannels};`);
  line(`for (let c = 0; c < ${inChannels}; c++) patch[c * ${taps} + tap] = ${input}[source + c];`);
  line(`} else for (let c = 0; c < ${inChannels}; c++) patch[c * ${taps} + tap] = 0;`);
  line("}\n}");
  line(`for (let ${channel} = 0; ${channel} < ${outChannels}; ${channel}++) {`);
  line(`let p = (${channel} / ${outChannels / groups} | 0) * ${size}, q = ${channel} * ${size};`);
  line(`const end = q + ${size};\nlet s0 = 0, s1 = 0, s2 = 0, s3 = 0;`);
  line("for (; q + 3 < end; p += 4, q += 4) {");
  line([0, 1, 2, 3].map((lane) => `s${lane} += patch[p + ${lane}] * ${weights}[q + ${lane}];`).join(" "));
  line(`}\nfor (; q < end; p++, q++) s0 += patch[p] * ${weights}[q];`);
  line(`const v${epilogue.result.id} = $fround(s0 + s1 + s2 + s3);`);
  printer.statements(epilogue.body);
  line("}\n}\n}\n}");
}
