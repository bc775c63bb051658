/**
 * A node as its operator's definition sees it: attributes with their defaults, inputs with their types and, where
 * known, contents. Every complaint goes through `reject`, so that it names the node.
 */
import { HoldfastError } from "../../base/index.ts";
import { type AttributeValue, absent, type ConstantData, type GraphNode, type GraphValue } from "../graph/graph.ts";
import { type ElementType, elementCount, type Shape, viewOf } from "../ir/element-type.ts";
import { bfloat16ToNumber, float16ToNumber } from "../ir/half-float.ts";

export interface OperatorInput {
  readonly type: ElementType;
  readonly shape: Shape;
  readonly constant?: ConstantData;
}

/** Why a node is not compiled; each becomes the code of the error. */
export type Rejection =
  | "TENSOR_UNSUPPORTED_OPERATOR"
  | "TENSOR_UNSUPPORTED_TYPE"
  | "TENSOR_UNSUPPORTED_FORM" // an attribute or arity that is legal ONNX but not taken here
  | "TENSOR_DYNAMIC" // a shape depends on values known only when running
  | "TENSOR_SHAPE_MISMATCH"
  | "TENSOR_BAD_ATTRIBUTE"
  | "TENSOR_BAD_INPUT"
  | "TENSOR_TOO_LARGE";

export class OperatorContext {
  readonly node: GraphNode;
  readonly version: number;
  readonly inputs: readonly (OperatorInput | undefined)[];
  readonly outputCount: number;
  /** Types of the outputs; filled once inferred, so `lower` may read it. */
  readonly outputs: readonly (OperatorInput | undefined)[];

  constructor(node: GraphNode, values: readonly GraphValue[], outputsKnown: boolean) {
    this.node = node;
    this.version = node.version;
    this.inputs = node.inputs.map((id) => (id === absent ? undefined : values[id]));
    this.outputCount = node.outputs.length;
    this.outputs = outputsKnown ? node.outputs.map((id) => (id === absent ? undefined : values[id])) : [];
  }

  /** The input, which must be there. */
  input(position: number): OperatorInput {
    const input = this.inputs[position];
    if (!input) this.reject("TENSOR_BAD_INPUT", `input ${position} is missing`);
    return input;
  }

  has(name: string): boolean {
    return this.node.attributes[name] !== undefined;
  }

  int(name: string, fallback?: number): number {
    return this.#attribute(name, "int", fallback);
  }

  float(name: string, fallback?: number): number {
    const found = this.node.attributes[name];
    if (found?.kind === "int") return found.value;
    return this.#attribute(name, "float", fallback);
  }

  string(name: string, fallback?: string): string {
    return this.#attribute(name, "string", fallback);
  }

  ints(name: string, fallback?: readonly number[]): readonly number[] {
    return this.#attribute(name, "ints", fallback);
  }

  floats(name: string, fallback?: readonly number[]): readonly number[] {
    return this.#attribute(name, "floats", fallback);
  }

  tensor(name: string): ConstantData {
    return this.#attribute<ConstantData>(name, "tensor", undefined);
  }

  /**
   * The contents of an input that decides about shapes, as numbers (int64 beyond 2^53 lose low bits). Rejects the node
   * as TENSOR_DYNAMIC where they are not known at compile time.
   */
  constantNumbers(position: number): readonly number[] {
    const { constant } = this.input(position);
    if (!constant) {
      this.reject("TENSOR_DYNAMIC", `input ${position} decides the output's shape but is only known when running`);
    }
    const view = viewOf(constant.type, constant.bytes);
    const decode =
      constant.type === "float16" ? float16ToNumber : constant.type === "bfloat16" ? bfloat16ToNumber : Number;
    const all = Array.from(view as ArrayLike<number>, (element) => decode(element));
    return constant.splat ? new Array<number>(elementCount(constant.shape)).fill(all[0] ?? 0) : all;
  }

  /** An axis attribute or value brought into 0..rank-1. */
  axis(axis: number, rank: number): number {
    const positive = axis < 0 ? axis + rank : axis;
    if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
      this.reject("TENSOR_BAD_ATTRIBUTE", `axis ${axis} does not exist in a tensor of rank ${rank}`);
    }
    return positive;
  }

  reject(code: Rejection, message: string, hint?: string): never {
    const { name, operator, domain } = this.node;
    const fullName = domain === "" ? operator : `${domain}.${operator}`;
    throw new HoldfastError(code, `${fullName} node ${JSON.stringify(name)}: ${message}`, {
      hint: hint ?? hints[code],
      details: { node: name, operator: fullName, version: this.version },
    });
  }

  #attribute<T>(name: string, kind: AttributeValue["kind"], fallback: T | undefined): T {
    const found = this.node.attributes[name];
    if (found === undefined) {
      if (fallback !== undefined) return fallback;
      this.reject("TENSOR_BAD_ATTRIBUTE", `attribute ${name} is missing`);
    }
    if (found.kind !== kind) {
      // An empty list has lost its element kind on the way.
      const isList = kind === "ints" || kind === "floats" || kind === "strings";
      if (isList && Array.isArray(found.value) && found.value.length === 0) return [] as T;
      this.reject("TENSOR_BAD_ATTRIBUTE", `attribute ${name} is of kind ${found.kind}, not ${kind}`);
    }
    return found.value as T;
  }
}

const hints: Readonly<Record<Rejection, string>> = {
  TENSOR_UNSUPPORTED_OPERATOR: "see docs/onnx-support.md for the operators there are",
  TENSOR_UNSUPPORTED_TYPE: "convert the model to float32 or another supported type",
  TENSOR_UNSUPPORTED_FORM: "see docs/onnx-support.md for the forms there are",
  TENSOR_DYNAMIC: "fix the value when compiling: --bind NAME=VALUE (JSON, or @FILE.npy)",
  TENSOR_SHAPE_MISMATCH: "check the model's shapes and the --shape flags",
  TENSOR_BAD_ATTRIBUTE: "the model is not valid ONNX: export it again",
  TENSOR_BAD_INPUT: "the model is not valid ONNX: export it again",
  TENSOR_TOO_LARGE: "reduce the shapes given with --shape",
};
