/** Whether a result is the expected one: type, shape, then every element within ONNX's own tolerance. */
import { elementsOf } from "../../src/tensor/graph/constant.ts";
import type { ConstantData } from "../../src/tensor/graph/graph.ts";
import { type ElementType, isFloat, sameShape } from "../../src/tensor/ir/element-type.ts";
import { bfloat16ToNumber, float16ToNumber } from "../../src/tensor/ir/half-float.ts";

const relativeTolerance = 1e-3;
const absoluteTolerance = 1e-7;
/** One step of bfloat16: the data of ONNX 1.12 cuts bits off where the standard now rounds. */
const brainTolerance = 2 ** -7;

/** What is wrong with `found`, or undefined where it is right. */
export function difference(found: ConstantData, expected: ConstantData): string | undefined {
  if (found.type !== expected.type) return `type ${found.type}, not ${expected.type}`;
  if (!sameShape(found.shape, expected.shape)) return `shape [${found.shape}], not [${expected.shape}]`;
  const [a, b] = [elementsOf(found), elementsOf(expected)];
  for (let place = 0; place < b.length; place++) {
    const [x, y] = [numberOf(found, a[place]!), numberOf(expected, b[place]!)];
    if (!isClose(x, y, expected.type)) return `element ${place} is ${x}, not ${y}`;
  }
  return undefined;
}

function numberOf({ type }: ConstantData, element: number | bigint): number | bigint {
  if (type === "float16") return float16ToNumber(Number(element));
  return type === "bfloat16" ? bfloat16ToNumber(Number(element)) : element;
}

function isClose(x: number | bigint, y: number | bigint, type: ElementType): boolean {
  if (x === y || (Number.isNaN(x) && Number.isNaN(y))) return true;
  if (!isFloat(type) || !Number.isFinite(y)) return false;
  const relative = type === "bfloat16" ? brainTolerance : relativeTolerance;
  return Math.abs(Number(x) - Number(y)) <= absoluteTolerance + relative * Math.abs(Number(y));
}
