/** The inputs of steady runs, by rule: the same numbers for every runtime, and no file to keep. */
import { type ElementArray, type ElementType, elementCount, newArray } from "../../src/tensor/index.ts";

export interface Port {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/** Sines, tokens, masks of ones; a ramp for classifiers whose weights are all equal (files that begin "light_"). */
export function inputFor(model: string, { name, type, shape }: Port): ElementArray {
  const data = newArray(type, elementCount(shape));
  const whole = (place: number): number =>
    name.includes("mask") ? 1 : type === "bool" ? place % 2 : (37 * place) % (type.endsWith("8") ? 127 : 1999);
  for (let place = 0; place < data.length; place++) {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[place] = BigInt(whole(place));
    else if (!type.startsWith("float")) data[place] = whole(place);
    else data[place] = model.startsWith("light_") ? place / data.length : Math.sin(0.37 * place);
  }
  return data;
}
