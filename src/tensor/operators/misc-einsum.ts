/**
 * Einsum: an equation over axis labels, as loops over the result's labels and a sum over the others. A product of two
 * float32 matrices, whatever the order of their axes, becomes a contraction.
 */
import { type Shape, scalarTypeOf, stridesOf } from "../ir/element-type.ts";
import { constant, type Expr, index, mul } from "../ir/expression.ts";
import type { OperatorContext } from "./context.ts";
import type { Lowering, OperatorDefinition } from "./definition.ts";
import { combine } from "./reduction.ts";

interface Equation {
  /** Labels of each operand's axes; those an ellipsis stands for are "0", "1", … counted from the right. */
  readonly operands: readonly (readonly string[])[];
  readonly output: readonly string[];
  readonly extents: ReadonlyMap<string, number>;
}

function equationOf(context: OperatorContext): Equation {
  const text = context.string("equation").replaceAll(" ", "");
  const bad = (why: string): never =>
    context.reject("TENSOR_BAD_ATTRIBUTE", `equation ${JSON.stringify(text)}: ${why}`);
  const [left, right, ...more] = text.split("->");
  if (left === undefined || more.length > 0) return bad("more than one arrow");
  const terms = left.split(",");
  if (terms.length !== context.inputs.length)
    return bad(`${terms.length} operands but ${context.inputs.length} inputs`);
  let widest = 0;
  const operands = terms.map((term, place) => {
    const { shape } = context.input(place);
    const parts = term.split("...");
    const letters = parts.join("").length;
    const hidden = shape.length - letters;
    if (!/^[A-Za-z]*$/.test(parts.join("")) || parts.length > 2) return bad(`operand ${JSON.stringify(term)}`);
    if (hidden < 0 || (parts.length === 1 && hidden !== 0))
      return bad(`${JSON.stringify(term)} for a tensor of shape [${shape}]`);
    widest = Math.max(widest, hidden);
    return [...parts[0]!, ...ellipsis(parts.length === 2 ? hidden : 0), ...(parts[1] ?? "")];
  });
  const extents = new Map<string, number>();
  for (const [place, labels] of operands.entries()) {
    for (const [axis, label] of labels.entries()) {
      const extent = context.input(place).shape[axis]!;
      const known = extents.get(label) ?? 1;
      if (known !== 1 && extent !== 1 && known !== extent) {
        context.reject("TENSOR_SHAPE_MISMATCH", `label ${JSON.stringify(label)} is ${known} and ${extent} long`);
      }
      extents.set(label, Math.max(known, extent) * (known === 0 || extent === 0 ? 0 : 1));
    }
  }
  const output = right === undefined ? implied(operands, widest) : explicit(right, widest);
  if (new Set(output).size !== output.length || output.some((label) => !extents.has(label))) return bad("its result");
  return { operands, output, extents };
}

const ellipsis = (count: number): string[] => Array.from({ length: count }, (_, place) => String(count - 1 - place));

/** Labels that occur once, in alphabetical order, after what an ellipsis stands for. */
function implied(operands: readonly (readonly string[])[], widest: number): string[] {
  const all = operands.flat().filter((label) => /[A-Za-z]/.test(label));
  return [
    ...ellipsis(widest),
    ...[...new Set(all)].filter((label) => all.filter((one) => one === label).length === 1).sort(),
  ];
}

function explicit(text: string, widest: number): string[] {
  const [before, after, ...more] = text.split("...");
  return after === undefined ? [...before!] : [...before!, ...ellipsis(widest), ...after, ...more];
}

/** The equation as a product of matrices with batches, where it is one. */
function contractionOf(equation: Equation, shapes: readonly Shape[]): Lowering | undefined {
  const [a, b] = equation.operands;
  const { output, extents } = equation;
  if (!a || !b || equation.operands.length !== 2 || output.length < 2) return undefined;
  if (new Set(a).size !== a.length || new Set(b).size !== b.length) return undefined;
  for (const [labels, shape] of [
    [a, shapes[0]!],
    [b, shapes[1]!],
  ] as const) {
    if (labels.some((label, axis) => extents.get(label) !== shape[axis])) return undefined;
  }
  const summed = [...extents.keys()].filter((label) => !output.includes(label));
  const [m, n] = output.slice(-2) as [string, string];
  const batch = output.slice(0, -2);
  const k = summed[0];
  const rightLabels = k !== undefined && summed.length === 1 && a.includes(k) && b.includes(k);
  if (!rightLabels || !a.includes(m) || b.includes(m) || !b.includes(n) || a.includes(n)) return undefined;
  if (!batch.every((label) => a.includes(label) && b.includes(label))) return undefined;
  const [stridesA, stridesB] = [stridesOf(shapes[0]!), stridesOf(shapes[1]!)];
  const of = (labels: readonly string[], strides: readonly number[], label: string): number =>
    strides[labels.indexOf(label)]!;
  const extent = (label: string): number => extents.get(label)!;
  return {
    form: "contraction",
    operands: [0, 1],
    describe: (first, second) => ({
      form: "gemm",
      batch: batch.map((label) => ({
        extent: extent(label),
        strideA: of(a, stridesA, label),
        strideB: of(b, stridesB, label),
      })),
      m: extent(m),
      n: extent(n),
      k: extent(k),
      a: { buffer: first, strideM: of(a, stridesA, m), strideK: of(a, stridesA, k) },
      b: { buffer: second, strideK: of(b, stridesB, k), strideN: of(b, stridesB, n) },
    }),
  };
}

const einsumOperator: OperatorDefinition = {
  operator: "Einsum",
  since: 12,
  infer(context) {
    const { type } = context.input(0);
    if (type === "bool" || context.inputs.some((input) => input?.type !== type)) {
      context.reject("TENSOR_UNSUPPORTED_TYPE", "operands are of different types, or bool");
    }
    const { output, extents } = equationOf(context);
    return [{ type, shape: output.map((label) => extents.get(label)!) }];
  },
  lower(context) {
    const equation = equationOf(context);
    const { operands, output, extents } = equation;
    const { type } = context.input(0);
    const shapes = operands.map((_, place) => context.input(place).shape);
    const product = type === "float32" ? contractionOf(equation, shapes) : undefined;
    if (product) return product;
    const summed = [...extents.keys()].filter((label) => !output.includes(label));
    const extent = (label: string): number => extents.get(label)!;
    return {
      form: "loops",
      emit: (io) =>
        io.build.eachIndex(output.map(extent), (place) => {
          const value = (reduced: readonly Expr[]): Expr => {
            const at = new Map([
              ...output.map((label, axis) => [label, place[axis]!] as const),
              ...summed.map((label, axis) => [label, reduced[axis]!] as const),
            ]);
            return operands
              .map((labels, operand) =>
                io.inputs[operand]!.at(
                  labels.map((label, axis) => (shapes[operand]![axis] === 1 ? index(0) : at.get(label)!)),
                ),
              )
              .reduce((all, one) => mul(all, one));
          };
          const { statements, result } = combine(io, summed.map(extent), "add", constant(scalarTypeOf(type), 0), value);
          return [...statements, ...io.outputs[0]!.store(place, result)];
        }),
    };
  },
};

export const einsum: readonly OperatorDefinition[] = [einsumOperator];
