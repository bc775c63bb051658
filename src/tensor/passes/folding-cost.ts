/**
 * How much work it is to compute a node while compiling: turns of innermost loops, counted from the loops it lowers to.
 *
 * A model can ask for anything; what would take minutes to fold is left to be computed when running.
 */
import type { GraphNode, GraphValue } from "../graph/graph.ts";
import type { Expr } from "../ir/expression.ts";
import type { Contraction, Kernel, Stmt } from "../ir/kernel.ts";
import { lowerNode, nodeLowering } from "../lower/node.ts";

/** Turns taken for a loop whose end is only known when running. */
const unknownTurns = 64;

/** The types of the node's inputs and outputs must be known. */
export function foldingCost(node: GraphNode, values: readonly GraphValue[]): number {
  const lowering = nodeLowering(node, values);
  if (lowering.form === "alias") return 1;
  return lowerNode(node, values, lowering).program.kernels.reduce((sum, kernel) => sum + costOfKernel(kernel), 0);
}

function costOfKernel(kernel: Kernel): number {
  return kernel.kind === "contraction" ? costOfContraction(kernel.contraction) : costOfStatements(kernel.body);
}

function costOfContraction(contraction: Contraction): number {
  if (contraction.form === "gemm") {
    return contraction.batch.reduce(
      (product, { extent }) => product * extent,
      contraction.m * contraction.n * contraction.k,
    );
  }
  const { batch, outHeight, outWidth, outChannels, kernelHeight, kernelWidth, inChannels, groups } = contraction;
  return batch * outHeight * outWidth * outChannels * kernelHeight * kernelWidth * (inChannels / groups);
}

function costOfStatements(statements: readonly Stmt[]): number {
  return statements.reduce((sum, statement) => sum + costOf(statement), 0);
}

function costOf(statement: Stmt): number {
  switch (statement.do) {
    case "for":
    case "reduce":
      return turnsOf(statement.extent) * Math.max(costOfStatements(statement.body), 1);
    case "while":
      return unknownTurns * Math.max(costOfStatements(statement.body), 1);
    case "if":
      return Math.max(costOfStatements(statement.then), costOfStatements(statement.otherwise));
    default:
      return 1;
  }
}

function turnsOf(extent: Expr): number {
  return extent.op === "const" ? Number(extent.value) : unknownTurns;
}
