/** Operators that make tensors from parameters: constants, ranges, one-hot vectors, windows. */
import { denseConstant } from "../graph/constant.ts";
import type { ConstantData } from "../graph/graph.ts";
import { type ElementType, isFloat, newArray, scalarTypeOf } from "../ir/element-type.ts";
import { add, cast, compare, constant, type Expr, index as indexConstant, mul, select } from "../ir/expression.ts";
import { numberToBfloat16, numberToFloat16 } from "../ir/half-float.ts";
import { typeAttribute } from "./cast.ts";
import type { OperatorContext } from "./context.ts";
import type { InferredOutput, OperatorDefinition } from "./definition.ts";
import { requireGroup, requireSameType } from "./elementwise.ts";
import { affineGrid } from "./generator-grid.ts";
import { checkedShape, neverLowered } from "./shape.ts";

/** An operator whose output is known as soon as its parameters are. */
function known(operator: string, since: number, make: (context: OperatorContext) => ConstantData): OperatorDefinition {
  return {
    operator,
    since,
    infer(context): InferredOutput[] {
      const made = make(context);
      return [{ type: made.type, shape: made.shape, constant: made }];
    },
    lower: neverLowered,
  };
}

function constantOf(context: OperatorContext): ConstantData {
  if (context.has("value")) return context.tensor("value");
  if (context.has("value_float")) return denseConstant("float32", [], [context.float("value_float")]);
  if (context.has("value_int")) return denseConstant("int64", [], [BigInt(context.int("value_int"))]);
  if (context.has("value_floats")) {
    const list = context.floats("value_floats");
    return denseConstant("float32", [list.length], list);
  }
  if (context.has("value_ints")) {
    const list = context.ints("value_ints");
    return denseConstant("int64", [list.length], list.map(BigInt));
  }
  context.reject("TENSOR_UNSUPPORTED_FORM", "the constant is not dense numbers");
}

function filled(context: OperatorContext): ConstantData {
  const shape = checkedShape(context, context.constantNumbers(0));
  const value = context.has("value") ? context.tensor("value") : denseConstant("float32", [1], [0]);
  const array = newArray(value.type, 1);
  const bytes = value.bytes.slice(0, array.byteLength);
  if (bytes.length !== array.byteLength) context.reject("TENSOR_BAD_ATTRIBUTE", "value has no element");
  return { type: value.type, shape, splat: true, bytes: new Uint8Array(bytes) };
}

const range: OperatorDefinition = {
  operator: "Range",
  since: 11,
  infer(context) {
    const type = requireGroup(context, "number");
    requireSameType(context, 0, 1);
    requireSameType(context, 0, 2);
    const [start, limit, step] = [0, 1, 2].map((place) => oneNumber(context, place));
    if (step === 0) context.reject("TENSOR_BAD_INPUT", "the step is 0");
    const count = Math.max(Math.ceil((limit! - start!) / step!), 0);
    if (!Number.isFinite(count)) context.reject("TENSOR_BAD_INPUT", "the range has no end");
    return [{ type, shape: checkedShape(context, [count]) }];
  },
  lower: (context) => ({
    form: "map",
    elementwise: false,
    at(index, [start, , step]) {
      const scalar = scalarTypeOf(context.input(0).type);
      const first = start!.atOffset(indexConstant(0));
      return add(first, mul(cast(scalar, index[0]!), step!.atOffset(indexConstant(0))));
    },
  }),
};

function oneNumber(context: OperatorContext, position: number): number {
  const numbers = context.constantNumbers(position);
  if (numbers.length !== 1)
    context.reject("TENSOR_BAD_INPUT", `input ${position} is ${numbers.length} numbers, not one`);
  return numbers[0]!;
}

const eyeLike: OperatorDefinition = {
  operator: "EyeLike",
  since: 9,
  infer(context) {
    const { type, shape } = context.input(0);
    if (shape.length !== 2) context.reject("TENSOR_SHAPE_MISMATCH", `the input has rank ${shape.length}, not 2`);
    return [{ type: context.has("dtype") ? typeAttribute(context, "dtype") : type, shape }];
  },
  lower(context) {
    const scalar = scalarTypeOf(context.outputs[0]!.type);
    const diagonal = indexConstant(context.int("k", 0));
    return {
      form: "map",
      elementwise: false,
      at: ([row, column]) => cast(scalar, compare("eq", add(row!, diagonal), column!)),
    };
  },
};

const oneHot: OperatorDefinition = {
  operator: "OneHot",
  since: 9,
  infer(context) {
    requireGroup(context, "number");
    const { shape } = context.input(0);
    const depth = Math.trunc(oneNumber(context, 1));
    const values = context.input(2);
    if (values.shape.length !== 1 || values.shape[0] !== 2) {
      context.reject("TENSOR_BAD_INPUT", `the values are [${values.shape.join(",")}], not two numbers`);
    }
    const axis = context.axis(context.int("axis", -1), shape.length + 1);
    return [{ type: values.type, shape: checkedShape(context, shape.toSpliced(axis, 0, depth)) }];
  },
  lower(context) {
    const { shape } = context.outputs[0]!;
    const axis = context.axis(context.int("axis", -1), shape.length);
    return {
      form: "map",
      elementwise: false,
      at(index, [indices, , values]) {
        const given = indices!.at(index.toSpliced(axis, 1));
        const type = given.type;
        const depth = constant(type, shape[axis]!);
        const unsigned = type === "u32" || type === "u64";
        const place = unsigned ? given : select(compare("lt", given, constant(type, 0)), add(given, depth), given);
        const here = compare("eq", place, castIndex(type, index[axis]!));
        return select(here, values!.at([indexConstant(1)]), values!.at([indexConstant(0)]));
      },
    };
  },
};

function castIndex(type: Expr["type"], value: Expr): Expr {
  return value.op === "const" ? constant(type, Number(value.value)) : cast(type, value);
}

/** Numbers as elements of any type. */
export function numbersAs(type: ElementType, shape: readonly number[], numbers: readonly number[]): ConstantData {
  if (type === "float16") return denseConstant(type, shape, numbers.map(numberToFloat16));
  if (type === "bfloat16") return denseConstant(type, shape, numbers.map(numberToBfloat16));
  if (type === "int64" || type === "uint64")
    return denseConstant(
      type,
      shape,
      numbers.map((one) => BigInt(Math.trunc(one))),
    );
  if (isFloat(type)) return denseConstant(type, shape, numbers);
  return denseConstant(type, shape, numbers.map(Math.trunc));
}

/** A window of weights: a sum of cosines over one period. */
function cosineWindow(operator: string, weights: readonly number[]): OperatorDefinition {
  return known(operator, 17, (context) => {
    const type = typeAttribute(context, "output_datatype", 1);
    const [size] = checkedShape(context, [oneNumber(context, 0)]);
    const period = context.int("periodic", 1) !== 0 ? size! : size! - 1;
    const numbers = Array.from({ length: size! }, (_, place) =>
      weights.reduce((sum, weight, order) => sum + weight * Math.cos((2 * Math.PI * order * place) / (period || 1)), 0),
    );
    return numbersAs(type, [size!], numbers);
  });
}

/** Triangles of weights that gather the bins of a spectrum into bands evenly spaced in mels. */
function melWeights(context: OperatorContext): ConstantData {
  const type = typeAttribute(context, "output_datatype", 1);
  const [bands, length, rate, lower, upper] = [0, 1, 2, 3, 4].map((place) => oneNumber(context, place));
  const rows = Math.floor(length! / 2) + 1;
  const shape = checkedShape(context, [rows, bands!]);
  const melOf = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
  const step = (melOf(upper!) - melOf(lower!)) / (bands! + 2);
  const edges = Array.from({ length: bands! + 2 }, (_, place) => {
    const hertz = 700 * (10 ** ((place * step + melOf(lower!)) / 2595) - 1);
    return Math.floor(((length! + 1) * hertz) / rate!);
  });
  if (!edges.every(Number.isFinite)) context.reject("TENSOR_BAD_INPUT", "the frequencies make no bands");
  const numbers = new Array<number>(rows * bands!).fill(0);
  for (let band = 0; band < bands!; band++) {
    const [low, centre, high] = [edges[band]!, edges[band + 1]!, edges[band + 2]!];
    for (let row = Math.max(low, 0); row < Math.min(Math.max(high, centre + 1), rows); row++) {
      const rising = centre === low ? 1 : (row - low) / (centre - low);
      numbers[row * bands! + band] = row < centre || high <= centre ? rising : (high - row) / (high - centre);
    }
  }
  return numbersAs(type, shape, numbers);
}

export const generatorOperators: readonly OperatorDefinition[] = [
  known("Constant", 1, constantOf),
  known("ConstantOfShape", 9, filled),
  range,
  eyeLike,
  affineGrid,
  oneHot,
  known("MelWeightMatrix", 17, melWeights),
  cosineWindow("HannWindow", [0.5, -0.5]),
  cosineWindow("HammingWindow", [25 / 46, -21 / 46]),
  cosineWindow("BlackmanWindow", [0.42, -0.5, 0.08]),
];
