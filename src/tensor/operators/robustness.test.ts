/**
 * Nodes no exporter would write: random types, shapes, contents and attributes for every operator. Each is refused with
 * a code, or runs and touches no element outside its tensors.
 */
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../base/index.ts";
import { evaluateSource } from "../eager/execute.ts";
import { eagerSource } from "../eager/print.ts";
import { denseConstant, elementsOf } from "../graph/constant.ts";
import { type AttributeValue, absent, type GraphNode, type GraphValue } from "../graph/graph.ts";
import { type ElementArray, type ElementType, elementCount, newArray } from "../ir/element-type.ts";
import { lowerNode } from "../lower/node.ts";
import { inferNode } from "../passes/infer-and-fold.ts";
import { families } from "./families.ts";

function dice(seed: number): (sides: number) => number {
  let state = seed >>> 0;
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

type Roll = (sides: number) => number;

const types: readonly ElementType[] = [
  "float32",
  "float32",
  "float32",
  "int64",
  "int64",
  "bool",
  "uint8",
  "int8",
  "float16",
  "int32",
];
const intNames =
  "axis axes keepdims to k start end group exclusive reverse batch_axis time_axis batch_dims blocksize allowzero fmod largest sorted select_last_index noop_with_empty_axes transA transB storage_order ceil_mode count_include_pad num_outputs align_corners size detect_positive dtype upper hidden_size num_groups".split(
    " ",
  );
const listNames =
  "axes perm pads kernel_shape strides dilations split starts ends output_padding output_shape axes scales".split(" ");
const stringNames: readonly (readonly [string, readonly string[]])[] = [
  ["mode", ["constant", "edge", "reflect", "DCR", "CRD", "linear", "nearest", "cubic", "bilinear"]],
  ["reduction", ["none", "add", "mul", "min", "max", "mean", "sum"]],
  ["auto_pad", ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]],
  ["direction", ["LEFT", "RIGHT", "forward", "reverse", "bidirectional"]],
  ["equation", ["ij,jk->ik", "ii->i", "i,j"]],
];

function attributesFrom(roll: Roll): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {};
  const number = (): number => (roll(12) === 0 ? 2 ** 40 - roll(2 ** 30) * 2 ** 12 : roll(6) - 2);
  for (const name of intNames) if (roll(6) === 0) attributes[name] = { kind: "int", value: number() };
  for (const name of listNames) {
    if (roll(5) === 0) attributes[name] = { kind: "ints", value: Array.from({ length: roll(5) }, number) };
  }
  for (const [name, values] of stringNames) {
    if (roll(3) === 0) attributes[name] = { kind: "string", value: values[roll(values.length)]! };
  }
  return attributes;
}

function valueFrom(id: number, roll: Roll): GraphValue {
  const type = types[roll(types.length)]!;
  const shape = Array.from({ length: roll(5) }, () => (roll(9) === 0 ? 0 : 1 + roll(4)));
  const big = type === "int64";
  const elements = Array.from({ length: elementCount(shape) }, () => {
    const number = roll(40) === 0 ? 2 ** 33 * (roll(2) === 0 ? 1 : -1) : roll(7) - 2;
    return big ? BigInt(number) : number;
  });
  return { id, name: `v${id}`, type, shape, constant: denseConstant(type, shape, elements) };
}

/** The array, but reading or writing outside it throws. */
function guarded(array: ElementArray): ElementArray {
  const check = (key: string | symbol): void => {
    if (typeof key === "string" && /^-?\d/.test(key) && !(Number(key) in array))
      throw new RangeError(`element ${key} of ${array.length}`);
    if (key === "NaN" || key === "undefined") throw new RangeError(`element ${key}`);
  };
  return new Proxy(array, {
    get(target, key) {
      check(key);
      return Reflect.get(target, key) as unknown;
    },
    set(target, key, value) {
      check(key);
      return Reflect.set(target, key, value);
    },
  });
}

/** Whether the node was taken. Throws where it is neither taken nor refused. */
function attempt(operator: string, version: number, seed: number): boolean {
  const roll = dice(seed * 7919 + version);
  const values = Array.from({ length: 1 + roll(5) }, (_, id) => valueFrom(id, roll));
  // Often one type for all, or hardly anything would be taken.
  const uniform =
    roll(2) === 0 ? values.map((value) => ({ ...valueFrom(value.id, roll), type: values[0]!.type })) : values;
  const inputs = uniform.map(({ id }) => (id > 0 && roll(8) === 0 ? absent : id));
  const known = uniform.map((value): GraphValue => {
    const constant = denseConstant(
      value.type,
      value.shape,
      [...elementsOf(value.constant!)].map((one) => (value.type === "int64" ? BigInt(one) : Number(one))),
    );
    return roll(3) === 0
      ? { id: value.id, name: value.name, type: value.type, shape: value.shape }
      : { ...value, constant };
  });
  const outputs = Array.from({ length: 1 + (roll(4) === 0 ? 1 : 0) }, (_, place) => known.length + place);
  const node: GraphNode = {
    name: "odd",
    domain: "",
    operator,
    version,
    inputs,
    outputs,
    attributes: attributesFrom(roll),
  };
  let all: GraphValue[];
  try {
    const inferred = inferNode(node, known);
    if (inferred.some(({ shape }) => elementCount(shape) > 20_000)) return true;
    all = [...known, ...outputs.map((id, place): GraphValue => ({ ...inferred[place]!, id, name: `v${id}` }))];
    if (outputs.every((id) => all[id]!.constant)) return true;
    run(node, all);
  } catch (error) {
    if (HoldfastError.is(error)) return false;
    throw error;
  }
  return true;
}

function run(node: GraphNode, values: readonly GraphValue[]): void {
  const { program, inputs } = lowerNode(node, values);
  const arrays = program.buffers
    .filter(({ role }) => role !== "scratch")
    .map(({ type, count }, place) => {
      const constant = place < inputs.length ? values[inputs[place]!]!.constant : undefined;
      return guarded(constant ? elementsOf(constant) : newArray(type, count));
    });
  evaluateSource(eagerSource(program))(...arrays);
}

describe("odd nodes", () => {
  const definitions = families.flat().filter(({ domain }) => domain === undefined || domain === "");
  it.each(definitions.map(({ operator, since }) => [operator, since] as const))(
    "of %s since version %i are refused with a code, or stay inside their tensors",
    (operator, since) => {
      for (let seed = 1; seed <= 60; seed++) {
        try {
          attempt(operator, since, seed);
        } catch (error) {
          expect.fail(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
        }
      }
    },
  );
});
