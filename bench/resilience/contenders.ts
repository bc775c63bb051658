/**
 * All who are measured. Those of Holdfast belong into `holdfastContenders`: the breaker with consecutive failures, as
 * it comes, with a window, and called synchronously, in the row `breaker`; retry, timeout and breaker in `pipe`.
 */
import type { Contender } from "./contender.ts";
import { peerContenders } from "./peers.ts";

const holdfastContenders: readonly Contender[] = [];

export const contenders: readonly Contender[] = [...peerContenders, ...holdfastContenders];
