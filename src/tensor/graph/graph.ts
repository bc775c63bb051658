/**
 * The graph the compiler works on: values by id, nodes in topological order, every shape static.
 *
 * It is the in-memory form of the Blueprint message. Passes make new graphs or edit a copy; ids are places in `values`
 * and are renumbered by `compact`. A value is a constant, a graph input, or the output of exactly one node.
 */
import type { ElementType, Shape } from "../ir/element-type.ts";

/** Tensor contents known at compile time. A splat holds one element that stands for all. */
export interface ConstantData {
  readonly type: ElementType;
  readonly shape: Shape;
  readonly splat: boolean;
  /** Little-endian, row-major: all elements, or just one for a splat. */
  readonly bytes: Uint8Array;
}

export interface GraphValue {
  readonly id: number;
  /** Unique within the graph; the model's own name where it has one. */
  readonly name: string;
  readonly type: ElementType;
  readonly shape: Shape;
  readonly constant?: ConstantData;
}

export type AttributeValue =
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "ints"; readonly value: readonly number[] }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensor"; readonly value: ConstantData };

export type Attributes = Readonly<Record<string, AttributeValue>>;

/** An input that is left out. */
export const absent = -1;

export interface GraphNode {
  readonly name: string;
  /** "" is ONNX's own domain, "holdfast" that of operators the passes make. */
  readonly domain: string;
  readonly operator: string;
  /** The opset version of `domain` that the model names; fixes the operator's semantics. */
  readonly version: number;
  /** Value ids, or `absent`. */
  readonly inputs: readonly number[];
  /** Value ids, or `absent` for an output nobody reads. */
  readonly outputs: readonly number[];
  readonly attributes: Attributes;
}

export interface Graph {
  readonly name: string;
  readonly values: readonly GraphValue[];
  readonly nodes: readonly GraphNode[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}
