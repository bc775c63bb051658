/** Seeded inputs for a unit, and how far two sets of results may be apart. */
import { HoldfastError } from "../../base/index.ts";
import { elementsOf } from "../graph/constant.ts";
import { type ElementArray, type ElementType, elementCount, newArray } from "../ir/element-type.ts";
import type { UnitGraph } from "../lower/unit.ts";

/** A float result may be off by this part of itself … */
const relativeTolerance = 1e-3;
/** … or by this part of the root mean square of all results, whichever is more. */
const scaleTolerance = 1e-4;

export interface Comparison {
  readonly maxAbsoluteError: number;
  /** Largest error over the larger of the value and the root mean square. */
  readonly maxRelativeError: number;
  readonly elements: number;
}

/** Inputs in the order of the unit's buffers: plain inputs, then weights; small known contents as they are. */
export function seededInputs(unit: UnitGraph): ElementArray[] {
  const ids = unit.graph.inputs;
  const order = [...ids.filter((id) => !unit.weights.has(id)), ...ids.filter((id) => unit.weights.has(id))];
  return order.map((id, place) => {
    const { type, shape, constant } = unit.graph.values[id]!;
    return constant ? elementsOf(constant) : seededArray(type, elementCount(shape), place + 1);
  });
}

/** Values a model might meet: floats in about ±2, small integers. The same seed gives the same array. */
export function seededArray(type: ElementType, count: number, seed: number): ElementArray {
  const array = newArray(type, count) as { [place: number]: number | bigint } & ElementArray;
  let state = (seed * 0x9e3779b9) | 0;
  for (let place = 0; place < count; place++) {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    const random = ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
    array[place] = elementFrom(type, random);
  }
  return array;
}

function elementFrom(type: ElementType, random: number): number | bigint {
  switch (type) {
    case "float32":
    case "float64":
      return (random - 0.5) * 4;
    case "float16":
      // Bits of numbers between 2^-4 and 2, either sign.
      return (random < 0.5 ? 0x8000 : 0) | (0x2c00 + Math.floor(random * 0x1400));
    case "bfloat16":
      return (random < 0.5 ? 0x8000 : 0) | (0x3d80 + Math.floor(random * 0x280));
    case "bool":
      return random < 0.5 ? 1 : 0;
    case "int64":
      return BigInt(Math.floor(random * 9) - 4);
    case "uint64":
      return BigInt(Math.floor(random * 9));
    case "int8":
    case "int16":
    case "int32":
      return Math.floor(random * 9) - 4;
    default:
      return Math.floor(random * 9);
  }
}

/** Throws TENSOR_MISMATCH at the first result that is too far off. */
export function compareOutputs(expected: readonly ElementArray[], actual: readonly ElementArray[]): Comparison {
  let maxAbsoluteError = 0;
  let maxRelativeError = 0;
  let elements = 0;
  for (const [output, want] of expected.entries()) {
    const have = actual[output]!;
    elements += want.length;
    const scale = rootMeanSquare(want);
    for (let place = 0; place < want.length; place++) {
      const a = want[place]!;
      const b = have[place]!;
      if (a === b || (a !== a && b !== b)) continue;
      const error = Math.abs(Number(a) - Number(b));
      const exact = typeof a === "bigint" || !(want instanceof Float32Array || want instanceof Float64Array);
      const allowed = exact
        ? integerTolerance(want)
        : Math.max(relativeTolerance * Math.abs(Number(a)), scaleTolerance * scale, 1e-6);
      if (!(error <= allowed)) {
        throw new HoldfastError(
          "TENSOR_MISMATCH",
          `output ${output}, element ${place}: ${b} where the reference has ${a}`,
          {
            details: { output, element: place, expected: Number(a), actual: Number(b) },
          },
        );
      }
      maxAbsoluteError = Math.max(maxAbsoluteError, error);
      maxRelativeError = Math.max(maxRelativeError, error / Math.max(Math.abs(Number(a)), scale, 1e-30));
    }
  }
  return { maxAbsoluteError, maxRelativeError, elements };
}

/**
 * Bits of half floats may differ by a rounding or two; integers by none… but for values rounded from floats, by one.
 */
function integerTolerance(array: ElementArray): number {
  return array instanceof Uint16Array ? 4 : array instanceof Int8Array || array instanceof Uint8Array ? 1 : 0;
}

function rootMeanSquare(array: ElementArray): number {
  let sum = 0;
  let count = 0;
  for (const element of array) {
    const value = Number(element);
    if (!Number.isFinite(value)) continue;
    sum += value * value;
    count++;
  }
  return count === 0 ? 0 : Math.sqrt(sum / count);
}
