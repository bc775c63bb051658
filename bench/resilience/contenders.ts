/** All who are measured, in the order of the tables. */
import type { Contender } from "./contender.ts";
import { holdfastContenders } from "./holdfast.ts";
import { peerContenders } from "./peers.ts";

export const contenders: readonly Contender[] = [...peerContenders, ...holdfastContenders];
