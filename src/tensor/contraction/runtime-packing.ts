/** Packs weights that are only known when running, by the same rule as `pack`, into scratch. */
import type { ContractionContext } from "../codegen/interface.ts";
import { KernelEmitter } from "../codegen/kernel-emitter.ts";
import { add, compare, constant, type Expr, index, load, min, mul, select } from "../ir/expression.ts";
import { KernelBuilder, type Packing, type Stmt } from "../ir/kernel.ts";
import { linearize } from "../operators/broadcast.ts";
import type { Local } from "../wasm/function-builder.ts";
import { panelWidth, roundUp4 } from "./packing.ts";

export function emitRuntimePacking(packing: Packing, context: ContractionContext, source: Local, target: Local): void {
  const emitter = new KernelEmitter({
    builder: context.builder,
    pointers: [source, target],
    elements: ["float32", "float32"],
    relaxed: context.relaxed,
    require: context.require,
  });
  emitter.run(packing.form === "depthwise" ? depthwise(packing) : convolution(packing));
}

function copy(shape: readonly number[], place: readonly Expr[], from: Expr, inside: Expr): Stmt {
  const value = select(inside, load("f32", 0, from), constant("f32", 0));
  return { do: "store", buffer: 1, offset: linearize(place, shape), value };
}

function convolution(packing: Packing): Stmt[] {
  if (packing.form !== "convolution") throw new TypeError(`no run-time packing of ${packing.form}`);
  const { outChannels, groups, inChannelsPerGroup, kernelHeight, kernelWidth } = packing;
  const perGroup = outChannels / groups;
  const shape = [groups, Math.ceil(perGroup / panelWidth), kernelHeight, kernelWidth, inChannelsPerGroup, panelWidth];
  return new KernelBuilder().eachIndex(shape, (place) => {
    const [group, panel, y, x, c, lane] = place as readonly [Expr, Expr, Expr, Expr, Expr, Expr];
    const column = add(mul(panel, index(panelWidth)), lane);
    const out = add(mul(group, index(perGroup)), min(column, index(perGroup - 1)));
    const from = linearize([out, c, y, x], [outChannels, inChannelsPerGroup, kernelHeight, kernelWidth]);
    return [copy(shape, place, from, compare("lt", column, index(perGroup)))];
  });
}

function depthwise(packing: Extract<Packing, { form: "depthwise" }>): Stmt[] {
  const { channels, kernelHeight, kernelWidth } = packing;
  const shape = [kernelHeight, kernelWidth, roundUp4(channels)];
  return new KernelBuilder().eachIndex(shape, (place) => {
    const [y, x, c] = place as readonly [Expr, Expr, Expr];
    const from = linearize([min(c, index(channels - 1)), y, x], [channels, kernelHeight, kernelWidth]);
    return [copy(shape, place, from, compare("lt", c, index(channels)))];
  });
}
