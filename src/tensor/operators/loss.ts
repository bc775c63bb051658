/**
 * NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
 *
 * Scores are [batch, classes, places…], labels [batch, places…]. A label equal to ignore_index counts for nothing;
 * a mean is weighted by the weights of the labels' classes.
 */
import { elementCount, isFloat, type Shape, scalarTypeOf } from "../ir/element-type.ts";
import { cast, compare, constant, div, type Expr, index, max, min, mul, select, sub, unary } from "../ir/expression.ts";
import type { Stmt } from "../ir/kernel.ts";
import { linearize } from "./broadcast.ts";
import type { OperatorContext } from "./context.ts";
import type { InferredOutput, LoopsIo, OperatorDefinition } from "./definition.ts";
import { combine, identityOf } from "./reduction.ts";

/** The logarithm of a class's probability, at an index of the scores. */
type LogProbability = (place: readonly Expr[]) => Expr;

function inferLoss(context: OperatorContext): InferredOutput {
  const [scores, labels, weights] = [context.input(0), context.input(1), context.inputs[2]];
  if (!isFloat(scores.type))
    context.reject("TENSOR_UNSUPPORTED_TYPE", `scores of ${scores.type} are not taken, only floats`);
  if (labels.type !== "int32" && labels.type !== "int64")
    context.reject("TENSOR_UNSUPPORTED_TYPE", `labels are ${labels.type}`);
  if (scores.shape.length < 2 || String(scores.shape.toSpliced(1, 1)) !== String(labels.shape)) {
    context.reject("TENSOR_SHAPE_MISMATCH", `scores [${scores.shape}] and labels [${labels.shape}] do not go together`);
  }
  if (weights && String(weights.shape) !== String([scores.shape[1]])) {
    context.reject("TENSOR_SHAPE_MISMATCH", `${scores.shape[1]} classes and weights [${weights.shape}]`);
  }
  const reduction = context.string("reduction", "mean");
  if (!["none", "sum", "mean"].includes(reduction))
    context.reject("TENSOR_BAD_ATTRIBUTE", `reduction is ${JSON.stringify(reduction)}`);
  return { type: scores.type, shape: reduction === "none" ? labels.shape : [] };
}

/** Stores the loss, once log probabilities can be had. */
function lossStatements(context: OperatorContext, io: LoopsIo, logProbability: LogProbability): Stmt[] {
  const { shape, type } = context.input(0);
  const scalar = scalarTypeOf(type);
  const labelShape = context.input(1).shape;
  const ignored = context.has("ignore_index") ? index(context.int("ignore_index")) : undefined;
  const classOf = (place: readonly Expr[]) => {
    const label = cast("i32", io.inputs[1]!.at(place));
    const bounded = min(max(label, index(0)), index(shape[1]! - 1));
    const weight = io.inputs[2] ? io.inputs[2].at([bounded]) : constant(scalar, 1);
    return { bounded, weight: ignored ? select(compare("eq", label, ignored), constant(scalar, 0), weight) : weight };
  };
  const lossAt = (place: readonly Expr[]): Expr => {
    const { bounded, weight } = classOf(place);
    const loss = mul(unary("neg", logProbability([place[0]!, bounded, ...place.slice(1)])), weight);
    // An infinite loss that is ignored is still nothing.
    return ignored ? select(compare("eq", weight, constant(scalar, 0)), constant(scalar, 0), loss) : loss;
  };
  const reduction = context.string("reduction", "mean");
  const output = io.outputs[0];
  if (!output) return [];
  if (reduction === "none") return io.build.eachIndex(labelShape, (place) => output.store(place, lossAt(place)));
  const zero = constant(scalar, 0);
  const sum = combine(io, labelShape, "add", zero, lossAt);
  if (reduction === "sum") return [...sum.statements, ...output.store([], sum.result)];
  const total = combine(io, labelShape, "add", zero, (place) => classOf(place).weight);
  return [...sum.statements, ...total.statements, ...output.store([], div(sum.result, total.result))];
}

const negativeLogLikelihood: OperatorDefinition = {
  operator: "NegativeLogLikelihoodLoss",
  since: 12,
  infer: (context) => [inferLoss(context)],
  lower: (context) => ({
    form: "loops",
    emit: (io) => lossStatements(context, io, (place) => io.inputs[0]!.at(place)),
  }),
};

/** Greatest score and logarithm of the sum of exponentials, of each place of the labels, in scratch. */
function softmaxTerms(
  io: LoopsIo,
  shape: Shape,
  labelShape: Shape,
): { readonly statements: Stmt[]; readonly logProbability: LogProbability } {
  const { type } = io.inputs[0]!;
  const count = elementCount(labelShape);
  const [greatest, logSum] = [io.scratch(type, count), io.scratch(type, count)];
  const logProbability: LogProbability = ([batch, cls, ...rest]) => {
    const offset = linearize([batch!, ...rest], labelShape);
    return sub(sub(io.inputs[0]!.at([batch!, cls!, ...rest]), greatest.load(offset)), logSum.load(offset));
  };
  const statements = io.build.eachIndex(labelShape, ([batch, ...rest]) => {
    const score = ([cls]: readonly Expr[]): Expr => io.inputs[0]!.at([batch!, cls!, ...rest]);
    const top = combine(io, [shape[1]!], "max", identityOf("max", type), score);
    const sum = combine(io, [shape[1]!], "add", constant(scalarTypeOf(type), 0), (cls) =>
      unary("exp", sub(score(cls), top.result)),
    );
    const offset = linearize([batch!, ...rest], labelShape);
    return [
      ...top.statements,
      ...sum.statements,
      greatest.store(offset, top.result),
      logSum.store(offset, unary("log", sum.result)),
    ];
  });
  return { statements, logProbability };
}

const softmaxCrossEntropy: OperatorDefinition = {
  operator: "SoftmaxCrossEntropyLoss",
  since: 12,
  infer(context) {
    const { type, shape } = context.input(0);
    return [inferLoss(context), { type, shape }];
  },
  lower(context) {
    const { shape } = context.input(0);
    return {
      form: "loops",
      emit: (io) => {
        const { statements, logProbability } = softmaxTerms(io, shape, context.input(1).shape);
        const second = io.outputs[1];
        const logs = second ? io.build.eachIndex(shape, (place) => second.store(place, logProbability(place))) : [];
        return [...statements, ...logs, ...lossStatements(context, io, logProbability)];
      },
    };
  },
};

export const loss: readonly OperatorDefinition[] = [negativeLogLikelihood, softmaxCrossEntropy];
