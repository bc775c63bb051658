export type { Direction, Edge, EdgeChange, GraphLayer } from "./edge.ts";
export { GraphDelta } from "./graph-delta.ts";
export { adoptGraph, encodeGraph } from "./graph-segment.ts";
export { GraphView, mergeGraphs, type NeighbourOptions, type SpreadOptions, type WalkOptions } from "./graph-view.ts";
