/**
 * The order in which contractions want constant operands: panels of eight columns, so that a kernel reads them as one
 * stream.
 *
 *   gemm B [k][n]            ->  [batch][ceil(n / 8)][k][8]
 *   convolution OIHW         ->  [groups][ceil(out per group / 8)][kernel y][kernel x][in per group][8]
 *   depthwise [c][1][ky][kx] ->  [ky][kx][c rounded up to 4]
 *
 * Columns past the end are zero. Packing depends on the contraction alone, so whoever links and whoever compiles agree.
 */
import { assert } from "../../base/index.ts";
import type { Contraction, ConvolutionContraction, Packing } from "../ir/kernel.ts";

export const panelWidth = 8;

export function isDepthwise(conv: ConvolutionContraction): boolean {
  const taps = conv.kernelHeight * conv.kernelWidth;
  return conv.groups > 1 && conv.groups === conv.inChannels && conv.outChannels === conv.inChannels && taps <= 49;
}

/** How the second operand is laid out when it is a weight; undefined leaves it as it is. */
export function packingOf(
  contraction: Contraction,
  roles: readonly ["weight" | "input", "weight" | "input"],
): Packing | undefined {
  if (roles[1] !== "weight") return undefined;
  if (contraction.form === "convolution") {
    const { kernelHeight, kernelWidth, groups, outChannels } = contraction;
    if (isDepthwise(contraction)) return { form: "depthwise", channels: outChannels, kernelHeight, kernelWidth };
    const inChannelsPerGroup = contraction.inChannels / groups;
    return {
      form: "convolution",
      outChannels,
      inChannelsPerGroup,
      kernelHeight,
      kernelWidth,
      groups,
      panel: panelWidth,
    };
  }
  const { k, n, b, batch } = contraction;
  const matrices = batch.reduce((product, axis) => (axis.strideB === 0 ? product : product * axis.extent), 1);
  // Only matrices that follow one another without gaps, or one for all.
  if (matrices !== 1 || k === 0 || n === 0) return undefined;
  return { form: "gemm-b", k, n, strideK: b.strideK, strideN: b.strideN, batch: 1, panel: panelWidth };
}

const panels = (columns: number): number => Math.ceil(columns / panelWidth);

export function packedCount(packing: Packing): number {
  switch (packing.form) {
    case "gemm-b":
      return packing.batch * panels(packing.n) * packing.k * panelWidth;
    case "convolution": {
      const taps = packing.kernelHeight * packing.kernelWidth * packing.inChannelsPerGroup;
      return packing.groups * panels(packing.outChannels / packing.groups) * taps * panelWidth;
    }
    case "depthwise":
      return packing.kernelHeight * packing.kernelWidth * roundUp4(packing.channels);
  }
}

export function roundUp4(count: number): number {
  return Math.ceil(count / 4) * 4;
}

export function pack(packing: Packing, data: Float32Array): Float32Array {
  const packed = new Float32Array(packedCount(packing));
  switch (packing.form) {
    case "gemm-b":
      packGemm(packing, data, packed);
      break;
    case "convolution":
      packConvolution(packing, data, packed);
      break;
    case "depthwise":
      packDepthwise(packing, data, packed);
  }
  return packed;
}

function packGemm(packing: Extract<Packing, { form: "gemm-b" }>, data: Float32Array, packed: Float32Array): void {
  const { k, n, strideK, strideN } = packing;
  assert(data.length >= k * n, "a matrix has all its elements");
  for (let column = 0; column < n; column++) {
    const base = Math.floor(column / panelWidth) * k * panelWidth + (column % panelWidth);
    for (let row = 0; row < k; row++) packed[base + row * panelWidth] = data[row * strideK + column * strideN]!;
  }
}

function packConvolution(
  packing: Extract<Packing, { form: "convolution" }>,
  data: Float32Array,
  packed: Float32Array,
): void {
  const { outChannels, inChannelsPerGroup: channels, kernelHeight, kernelWidth, groups } = packing;
  const perGroup = outChannels / groups;
  const taps = kernelHeight * kernelWidth;
  for (let out = 0; out < outChannels; out++) {
    const group = Math.floor(out / perGroup);
    const column = out % perGroup;
    const panel = group * panels(perGroup) + Math.floor(column / panelWidth);
    for (let tap = 0; tap < taps; tap++) {
      for (let c = 0; c < channels; c++) {
        const place = ((panel * taps + tap) * channels + c) * panelWidth + (column % panelWidth);
        packed[place] = data[(out * channels + c) * taps + tap]!;
      }
    }
  }
}

function packDepthwise(
  packing: Extract<Packing, { form: "depthwise" }>,
  data: Float32Array,
  packed: Float32Array,
): void {
  const taps = packing.kernelHeight * packing.kernelWidth;
  const pitch = roundUp4(packing.channels);
  for (let c = 0; c < packing.channels; c++)
    for (let tap = 0; tap < taps; tap++) packed[tap * pitch + c] = data[c * taps + tap]!;
}
