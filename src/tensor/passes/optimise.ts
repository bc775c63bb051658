/** The passes, in the order they run in. Each is a file of its own with its purpose at the head. */
import type { Graph } from "../graph/graph.ts";
import { channelsLast } from "./channels-last.ts";
import { commonSubexpressions } from "./common-subexpressions.ts";
import { compact } from "./compact.ts";
import { foldBatchNormalization } from "./fold-batch-normalization.ts";
import { inferAndFold } from "./infer-and-fold.ts";
import { recogniseLayerNormalization } from "./layer-normalization.ts";

export function optimise(graph: Graph): Graph {
  let current = compact(graph);
  current = commonSubexpressions(current);
  current = recogniseLayerNormalization(current);
  current = foldBatchNormalization(current);
  current = channelsLast(compact(current));
  // The layout pass adds nodes over constants.
  return compact(inferAndFold(current));
}
