/** Sliding windows: output extents, padding and where a tap falls. Shared by convolution and pooling. */
import type { Shape } from "../ir/element-type.ts";
import { add, and, compare, type Expr, index, max, min, mul } from "../ir/expression.ts";
import type { OperatorContext } from "./context.ts";

export interface Window {
  /** One entry a spatial axis. */
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padsBegin: readonly number[];
  readonly padsEnd: readonly number[];
  readonly input: readonly number[];
  readonly output: readonly number[];
}

export function windowOf(context: OperatorContext, spatial: Shape, kernel: readonly number[]): Window {
  const rank = spatial.length;
  const ones = new Array<number>(rank).fill(1);
  const strides = context.ints("strides", ones);
  const dilations = context.ints("dilations", ones);
  const pads = context.ints("pads", new Array<number>(rank * 2).fill(0));
  const mode = context.string("auto_pad", "NOTSET");
  const ceil = context.int("ceil_mode", 0) !== 0;
  if (kernel.length !== rank || strides.length !== rank || dilations.length !== rank || pads.length !== rank * 2) {
    context.reject("TENSOR_BAD_ATTRIBUTE", `kernel, strides, dilations or pads do not fit ${rank} spatial axes`);
  }
  if ([...kernel, ...strides, ...dilations].some((value) => !(value >= 1)) || pads.some((value) => value < 0)) {
    context.reject("TENSOR_BAD_ATTRIBUTE", "kernel, strides and dilations must be 1 or more, pads 0 or more");
  }
  const padsBegin: number[] = [];
  const padsEnd: number[] = [];
  const output: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const reach = (kernel[axis]! - 1) * dilations[axis]! + 1;
    const stride = strides[axis]!;
    const extent = spatial[axis]!;
    if (mode === "SAME_UPPER" || mode === "SAME_LOWER") {
      const out = Math.ceil(extent / stride);
      const total = Math.max(0, (out - 1) * stride + reach - extent);
      const less = Math.floor(total / 2);
      padsBegin.push(mode === "SAME_UPPER" ? less : total - less);
      padsEnd.push(mode === "SAME_UPPER" ? total - less : less);
      output.push(out);
      continue;
    }
    const [before, after] = mode === "VALID" ? [0, 0] : [pads[axis]!, pads[rank + axis]!];
    const room = extent + before + after - reach;
    if (room < 0)
      context.reject(
        "TENSOR_SHAPE_MISMATCH",
        `a window of ${reach} does not fit ${extent} padded by ${before} and ${after}`,
      );
    let out = (ceil ? Math.ceil(room / stride) : Math.floor(room / stride)) + 1;
    // A window that would begin in the padding after the end is left out.
    if (ceil && (out - 1) * stride >= extent + before) out--;
    padsBegin.push(before);
    padsEnd.push(after);
    output.push(out);
  }
  return { kernel, strides, dilations, padsBegin, padsEnd, input: [...spatial], output };
}

/** Where tap `tap` of the window at `place` reads: the index brought into bounds, and whether it was there. */
export function tapOf(
  window: Window,
  place: readonly Expr[],
  tap: readonly Expr[],
): { readonly index: Expr[]; readonly inside: Expr | undefined } {
  let inside: Expr | undefined;
  const found = place.map((out, axis) => {
    const at = add(
      add(mul(out, index(window.strides[axis]!)), mul(tap[axis]!, index(window.dilations[axis]!))),
      index(-window.padsBegin[axis]!),
    );
    const last =
      (window.output[axis]! - 1) * window.strides[axis]! +
      (window.kernel[axis]! - 1) * window.dilations[axis]! -
      window.padsBegin[axis]!;
    if (window.padsBegin[axis] === 0 && last < window.input[axis]!) return at;
    const bounded = min(max(at, index(0)), index(window.input[axis]! - 1));
    const here = compare("eq", at, bounded);
    inside = inside ? and(inside, here) : here;
    return bounded;
  });
  return { index: found, inside };
}
