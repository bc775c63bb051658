/** Normalisations: by stored statistics (BatchNormalization) or by the data's own, in two passes. */
import { elementCount, isFloat, type Shape, scalarTypeOf } from "../ir/element-type.ts";
import { add, compare, constant, div, type Expr, index, max, min, mul, select, sub, unary } from "../ir/expression.ts";
import type { Stmt } from "../ir/kernel.ts";
import type { OperatorContext } from "./context.ts";
import type { LoopsIo, OperatorDefinition, TensorView } from "./definition.ts";
import { combine, eachKept } from "./reduction.ts";

const batchNormalization: OperatorDefinition = {
  operator: "BatchNormalization",
  since: 7,
  infer(context) {
    const { type, shape } = context.input(0);
    if (context.int("training_mode", 0) !== 0) context.reject("TENSOR_UNSUPPORTED_FORM", "training mode is not taken");
    if (context.version < 9 && context.int("spatial", 1) !== 1)
      context.reject("TENSOR_UNSUPPORTED_FORM", "spatial = 0 is not taken");
    if (shape.length < 2) context.reject("TENSOR_SHAPE_MISMATCH", "the input needs a channel axis");
    for (const place of [1, 2, 3, 4]) {
      if (elementCount(context.input(place).shape) !== shape[1]) {
        context.reject(
          "TENSOR_SHAPE_MISMATCH",
          `input ${place} has shape [${context.input(place).shape}], not [${shape[1]}]`,
        );
      }
    }
    if (context.node.outputs.slice(1).some((id) => id >= 0))
      context.reject("TENSOR_UNSUPPORTED_FORM", "outputs of training are not made");
    return [{ type, shape }, ...new Array(4).fill({ type, shape: [shape[1]!] })];
  },
  lower(context) {
    const epsilon = context.float("epsilon", 1e-5);
    const { type } = context.input(0);
    const scalar = scalarTypeOf(type);
    return {
      form: "map",
      elementwise: false,
      at(place, inputs) {
        const [x, scale, bias, mean, variance] = inputs as readonly TensorView[];
        const channel = [place[1]!];
        const as = (value: Expr): Expr =>
          ({ ...(value.type === scalar ? value : { op: "cast", type: scalar, a: value }) }) as Expr;
        const root = unary("sqrt", add(as(variance!.at(channel)), constant(scalar, epsilon)));
        const centred = sub(x!.at(place), as(mean!.at(channel)));
        return add(mul(div(centred, root), as(scale!.at(channel))), as(bias!.at(channel)));
      },
    };
  },
};

interface Statistics {
  readonly statements: readonly Stmt[];
  readonly mean: Expr;
  readonly inverse: Expr;
}

/** Mean and 1/√(variance + ε) of the elements at the given places. */
function statisticsOf(
  io: LoopsIo,
  extents: readonly number[],
  epsilon: number,
  at: (reduced: readonly Expr[]) => Expr,
): Statistics {
  const count = elementCount(extents);
  const sum = combine(io, extents, "add", constant(at0Type(io), 0), at);
  const mean = io.build.variable(at0Type(io));
  const squares = combine(io, extents, "add", constant(mean.type, 0), (reduced) => {
    const centred = sub(at(reduced), mean);
    return mul(centred, centred);
  });
  const inverse = io.build.variable(mean.type);
  const number = (value: number): Expr => constant(mean.type, value);
  const variance = div(squares.result, number(count));
  const statements: Stmt[] = [
    ...sum.statements,
    { do: "let", target: mean, value: div(sum.result, number(count)) },
    ...squares.statements,
    { do: "let", target: inverse, value: div(number(1), unary("sqrt", add(variance, number(epsilon)))) },
  ];
  return { statements, mean, inverse };
}

function at0Type(io: LoopsIo): ReturnType<typeof scalarTypeOf> {
  return scalarTypeOf(io.inputs[0]!.type);
}

function floatInput(context: OperatorContext, leastRank = 1): { readonly type: "float32"; readonly shape: Shape } {
  const { type, shape } = context.input(0);
  if (!isFloat(type)) context.reject("TENSOR_UNSUPPORTED_TYPE", `${type} is not taken, only floats`);
  if (shape.length < leastRank)
    context.reject("TENSOR_SHAPE_MISMATCH", `an input of shape [${shape}] has too few axes`);
  return { type: type as "float32", shape };
}

const layerNormalization: OperatorDefinition = {
  operator: "LayerNormalization",
  since: 17,
  infer(context) {
    const { type, shape } = floatInput(context);
    const axis = context.axis(context.int("axis", -1), shape.length);
    for (const place of [1, 2]) {
      const given = place === 1 ? context.input(1) : context.inputs[2];
      if (!given) continue;
      if (given.type !== type)
        context.reject("TENSOR_UNSUPPORTED_TYPE", `input ${place} is ${given.type}, not ${type}`);
      const own = shape.slice(axis);
      const fits = given.shape.every((extent, at) => extent === 1 || extent === own.at(at - given.shape.length));
      if (!fits)
        context.reject(
          "TENSOR_SHAPE_MISMATCH",
          `input ${place} of shape [${given.shape}] does not broadcast to [${own}]`,
        );
    }
    const statistics = shape.map((extent, place) => (place < axis ? extent : 1));
    return [
      { type, shape },
      { type: "float32", shape: statistics },
      { type: "float32", shape: statistics },
    ];
  },
  lower(context) {
    const { shape } = context.input(0);
    const first = context.axis(context.int("axis", -1), shape.length);
    const axes = shape.map((_, axis) => axis).slice(first);
    const epsilon = context.float("epsilon", 1e-5);
    return {
      form: "loops",
      emit: (io) =>
        eachKept(io, axes, true, (output, full, extents) => {
          const [x, scale, bias] = io.inputs;
          const { statements, mean, inverse } = statisticsOf(io, extents, epsilon, (reduced) => x!.at(full(reduced)));
          const stores = io.build.eachIndex(extents, (reduced) => {
            const place = full(reduced);
            const own = place.slice(first);
            const scaled = mul(mul(sub(x!.at(place), mean), inverse), aligned(scale!, own));
            return io.outputs[0]!.store(place, bias ? add(scaled, aligned(bias, own)) : scaled);
          });
          const f32 = (value: Expr): Expr => (value.type === "f32" ? value : { op: "cast", type: "f32", a: value });
          const outMean = io.outputs[1]?.store(output, f32(mean)) ?? [];
          const outInverse = io.outputs[2]?.store(output, f32(inverse)) ?? [];
          return [...statements, ...stores, ...outMean, ...outInverse];
        }),
    };
  },
};

/** Scale and bias may have leading axes left out, or of extent 1. */
function aligned(view: TensorView, place: readonly Expr[]): Expr {
  const own = place.slice(Math.max(0, place.length - view.shape.length));
  return view.at(
    view.shape.map((extent, axis) => (extent === 1 ? index(0) : own[axis - (view.shape.length - own.length)]!)),
  );
}

/** Scale and bias: one element a channel or group, of the input's type. */
function checkVectors(context: OperatorContext, extent: number): void {
  for (const place of [1, 2]) {
    const { type, shape } = context.input(place);
    if (shape.length !== 1 || shape[0] !== extent)
      context.reject("TENSOR_SHAPE_MISMATCH", `input ${place} has shape [${shape}], not [${extent}]`);
    if (type !== context.input(0).type) context.reject("TENSOR_UNSUPPORTED_TYPE", `input ${place} is ${type}`);
  }
}

const instanceNormalization: OperatorDefinition = {
  operator: "InstanceNormalization",
  since: 6,
  infer(context) {
    const { type, shape } = floatInput(context, 3);
    checkVectors(context, shape[1]!);
    return [{ type, shape }];
  },
  lower(context) {
    const { shape } = context.input(0);
    const axes = shape.map((_, axis) => axis).slice(2);
    const epsilon = context.float("epsilon", 1e-5);
    return {
      form: "loops",
      emit: (io) =>
        eachKept(io, axes, true, (output, full, extents) => {
          const [x, scale, bias] = io.inputs;
          const { statements, mean, inverse } = statisticsOf(io, extents, epsilon, (reduced) => x!.at(full(reduced)));
          const channel = [output[1]!];
          const stores = io.build.eachIndex(extents, (reduced) => {
            const centred = mul(sub(x!.at(full(reduced)), mean), inverse);
            return io.outputs[0]!.store(full(reduced), add(mul(centred, scale!.at(channel)), bias!.at(channel)));
          });
          return [...statements, ...stores];
        }),
    };
  },
};

const groupNormalization: OperatorDefinition = {
  operator: "GroupNormalization",
  since: 18,
  infer(context) {
    const { type, shape } = floatInput(context, 3);
    const groups = context.int("num_groups");
    if (groups < 1 || shape[1]! % groups !== 0)
      context.reject("TENSOR_SHAPE_MISMATCH", "channels do not divide into the groups");
    checkVectors(context, context.version < 21 ? groups : shape[1]!);
    return [{ type, shape }];
  },
  lower(context) {
    const { shape } = context.input(0);
    const groups = context.int("num_groups");
    const perGroup = shape[1]! / groups;
    const epsilon = context.float("epsilon", 1e-5);
    const byGroup = context.version < 21;
    return {
      form: "loops",
      emit: (io) =>
        io.build.eachIndex([shape[0]!, groups], ([n, g]) => {
          const [x, scale, bias] = io.inputs;
          const extents = [perGroup, ...shape.slice(2)];
          const full = (reduced: readonly Expr[]): Expr[] => [
            n!,
            add(mul(g!, index(perGroup)), reduced[0]!),
            ...reduced.slice(1),
          ];
          const { statements, mean, inverse } = statisticsOf(io, extents, epsilon, (reduced) => x!.at(full(reduced)));
          const stores = io.build.eachIndex(extents, (reduced) => {
            const place = full(reduced);
            const own = [byGroup ? g! : place[1]!];
            const centred = mul(sub(x!.at(place), mean), inverse);
            return io.outputs[0]!.store(place, add(mul(centred, scale!.at(own)), bias!.at(own)));
          });
          return [...statements, ...stores];
        }),
    };
  },
};

const lpNormalization: OperatorDefinition = {
  operator: "LpNormalization",
  since: 1,
  infer(context) {
    const p = context.int("p", 2);
    if (p !== 1 && p !== 2) context.reject("TENSOR_BAD_ATTRIBUTE", `p = ${p} is neither 1 nor 2`);
    return [floatInput(context)];
  },
  lower(context) {
    const { shape } = context.input(0);
    const axis = context.axis(context.int("axis", -1), shape.length);
    const p = context.int("p", 2);
    return {
      form: "loops",
      emit: (io) =>
        eachKept(io, [axis], true, (_, full, extents) => {
          const x = io.inputs[0]!;
          const zero = constant(at0Type(io), 0);
          const sum = combine(io, extents, "add", zero, (reduced) => {
            const value = x.at(full(reduced));
            return p === 1 ? unary("abs", value) : mul(value, value);
          });
          const norm = p === 1 ? sum.result : unary("sqrt", sum.result);
          const stores = io.build.eachIndex(extents, (reduced) => {
            const value = x.at(full(reduced));
            return io.outputs[0]!.store(full(reduced), select(compare("eq", norm, zero), zero, div(value, norm)));
          });
          return [...sum.statements, ...stores];
        }),
    };
  },
};

const meanVarianceNormalization: OperatorDefinition = {
  operator: "MeanVarianceNormalization",
  since: 9,
  infer(context) {
    return [floatInput(context)];
  },
  lower(context) {
    const { shape } = context.input(0);
    const axes = [...context.ints("axes", [0, 2, 3])]
      .map((axis) => context.axis(axis, shape.length))
      .sort((a, b) => a - b);
    return {
      form: "loops",
      emit: (io) =>
        eachKept(io, axes, true, (_, full, extents) => {
          const x = io.inputs[0]!;
          const { statements, mean, inverse } = statisticsOf(io, extents, 1e-9, (reduced) => x.at(full(reduced)));
          const stores = io.build.eachIndex(extents, (reduced) =>
            io.outputs[0]!.store(full(reduced), mul(sub(x.at(full(reduced)), mean), inverse)),
          );
          return [...statements, ...stores];
        }),
    };
  },
};

/** Local response normalisation across channels. */
const lrn: OperatorDefinition = {
  operator: "LRN",
  since: 1,
  infer(context) {
    if (context.int("size") < 1) context.reject("TENSOR_BAD_ATTRIBUTE", `size is ${context.int("size")}`);
    if (context.input(0).shape[1] === 0) context.reject("TENSOR_SHAPE_MISMATCH", "there are no channels");
    floatInput(context, 2);
    return [floatInput(context)];
  },
  lower(context) {
    const { shape } = context.input(0);
    const size = context.int("size");
    const [alpha, beta, bias] = [context.float("alpha", 1e-4), context.float("beta", 0.75), context.float("bias", 1)];
    const before = Math.floor((size - 1) / 2);
    return {
      form: "loops",
      emit: (io) =>
        io.build.eachIndex(shape, (place) => {
          const x = io.inputs[0]!;
          const scalar = at0Type(io);
          const sum = combine(io, [size], "add", constant(scalar, 0), ([k]) => {
            const channel = add(add(place[1]!, k!), index(-before));
            const bounded = min(max(channel, index(0)), index(shape[1]! - 1));
            const value = x.at([place[0]!, bounded, ...place.slice(2)]);
            return select(compare("eq", channel, bounded), mul(value, value), constant(scalar, 0));
          });
          const base = add(constant(scalar, bias), mul(constant(scalar, alpha / size), sum.result));
          const scale: Expr = { op: "binary", type: scalar, fn: "pow", a: base, b: constant(scalar, beta) };
          return [...sum.statements, ...io.outputs[0]!.store(place, div(x.at(place), scale))];
        }),
    };
  },
};

export const normalization: readonly OperatorDefinition[] = [
  batchNormalization,
  layerNormalization,
  instanceNormalization,
  groupNormalization,
  lpNormalization,
  meanVarianceNormalization,
  lrn,
];
