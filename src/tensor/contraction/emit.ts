/**
 * Emits a contraction kernel: picks the form its sizes call for and writes it into the kernel's function.
 *
 *  - gemm, and 1×1 convolution of stride 1, which is one: rows at a fixed distance (see gemm.ts)
 *  - convolution: rows are output pixels, found by a table of addresses (see convolution.ts)
 *  - depthwise convolution: lanes along channels (see depthwise.ts)
 *
 * A second operand that is not packed at link time is read as it lies where its columns are contiguous, else packed
 * into scratch first.
 */

import type { ContractionContext } from "../codegen/interface.ts";
import type { ContractionKernel, ConvolutionContraction, GemmContraction } from "../ir/kernel.ts";
import { convolutionScratch, emitConvolution } from "./convolution.ts";
import { depthwiseScratch, emitDepthwise } from "./depthwise.ts";
import { emitGemm, gemmScratch } from "./gemm.ts";
import { isDepthwise } from "./packing.ts";

/** A 1×1 convolution without stride or padding as the matrix product it is; undefined for any other. */
export function pointwiseGemm(conv: ConvolutionContraction): GemmContraction | undefined {
  const { batch, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = conv;
  const unit = conv.kernelHeight === 1 && conv.kernelWidth === 1 && conv.strideX === 1 && conv.strideY === 1;
  if (
    !unit ||
    conv.groups !== 1 ||
    outHeight !== inHeight ||
    outWidth !== inWidth ||
    conv.padTop !== 0 ||
    conv.padLeft !== 0
  ) {
    return undefined;
  }
  return {
    form: "gemm",
    batch: [],
    m: batch * outHeight * outWidth,
    n: outChannels,
    k: inChannels,
    a: { buffer: conv.input, strideM: inChannels, strideK: 1 },
    b: { buffer: conv.weights, strideK: 1, strideN: inChannels },
  };
}

export function scratchBytesOfContraction(kernel: ContractionKernel, isPacked: (buffer: number) => boolean): number {
  const { contraction } = kernel;
  if (contraction.form === "gemm") return gemmScratch(contraction, isPacked(contraction.b.buffer));
  const packed = isPacked(contraction.weights);
  const pointwise = pointwiseGemm(contraction);
  if (pointwise) return gemmScratch(pointwise, packed);
  return isDepthwise(contraction) ? depthwiseScratch(contraction, packed) : convolutionScratch(contraction, packed);
}

export function emitContraction(kernel: ContractionKernel, context: ContractionContext): void {
  const { contraction } = kernel;
  if (contraction.form === "gemm") {
    const extents = [...contraction.batch.map((axis) => axis.extent), contraction.m];
    emitGemm(contraction, context, extents);
    return;
  }
  const { batch, outHeight, outWidth } = contraction;
  const pointwise = pointwiseGemm(contraction);
  if (pointwise) emitGemm(pointwise, context, [batch, outHeight, outWidth]);
  else if (isDepthwise(contraction)) emitDepthwise(contraction, context);
  else emitConvolution(contraction, context);
}
