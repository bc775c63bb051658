/** The walk over a GraphProto: names to ids, initialisers and inputs, functions inlined, nodes sorted. */
import { HoldfastError } from "../../base/index.ts";
import type { AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, ValueInfoProto } from "../gen/onnx/onnx_pb.ts";
import { absent, type AttributeValue, type ConstantData, type Graph, type GraphNode, type GraphValue } from "../graph/graph.ts";
import { denseConstant } from "../graph/constant.ts";
import type { Shape, TensorType } from "../ir/element-type.ts";
import { findOperator, operatorNames } from "../operators/registry.ts";
import type { ImportOptions } from "./import.ts";
import { checkedCount, constantFromTensor, elementTypeFromOnnx } from "./tensor.ts";

/** What the model says about a value's type; extents it leaves open are undefined. */
export interface DeclaredType {
  readonly type: TensorType["type"];
  readonly shape: readonly (number | undefined)[] | undefined;
}

const inliningDepthLimit = 16;
const inlinedNodesLimit = 100_000;

/** Types that are not tensors, and operators that work on them or run subgraphs. */
const unsupported: Readonly<Record<string, string>> = {
  Loop: "loops",
  Scan: "loops",
  If: "branches decided when running",
};

interface PendingNode {
  readonly proto: NodeProto;
  readonly version: number;
  readonly name: string;
}

export class GraphImporter {
  readonly #proto: GraphProto;
  readonly #versions: ReadonlyMap<string, number>;
  readonly #options: ImportOptions;
  readonly #values: GraphValue[] = [];
  readonly #idOf = new Map<string, number>();
  readonly #inputs: number[] = [];
  readonly #declared = new Map<number, DeclaredType>();
  readonly #functions: ReadonlyMap<string, FunctionProto>;
  #inlined = 0;

  constructor(model: ModelProto, proto: GraphProto, versions: ReadonlyMap<string, number>, options: ImportOptions) {
    this.#proto = proto;
    this.#versions = versions;
    this.#options = options;
    this.#functions = new Map(model.functions.map((fn) => [`${fn.domain}:${fn.name}`, fn]));
  }

  run(): { readonly graph: Graph; readonly declared: ReadonlyMap<number, DeclaredType> } {
    const pending = this.#expand(this.#proto.node, this.#versions, "", 0);
    this.#refuseUnknownOperators(pending);
    this.#takeInitializers();
    this.#takeInputs();
    const nodes = this.#takeNodes(pending);
    const outputs = this.#proto.output.map((info) => {
      const id = this.#idOf.get(info.name);
      if (id === undefined) this.#fail("ONNX_DANGLING", `output ${JSON.stringify(info.name)} is made by no node`);
      this.#declare(id, info);
      return id;
    });
    for (const info of this.#proto.valueInfo) {
      const id = this.#idOf.get(info.name);
      if (id !== undefined) this.#declare(id, info);
    }
    const name = this.#proto.name || "model";
    return { graph: { name, values: this.#values, nodes, inputs: this.#inputs, outputs }, declared: this.#declared };
  }

  #fail(code: `ONNX_${string}`, message: string, hint = "the model is not valid ONNX: export it again"): never {
    throw new HoldfastError(code, message, { hint });
  }

  /** Nodes with calls of the model's own functions replaced by their bodies. */
  #expand(nodes: readonly NodeProto[], versions: ReadonlyMap<string, number>, scope: string, depth: number): PendingNode[] {
    return nodes.flatMap((proto, place): PendingNode[] => {
      const domain = proto.domain === "ai.onnx" ? "" : proto.domain;
      const label = proto.name || `${proto.opType}_${place}`;
      const fn = this.#functions.get(`${domain}:${proto.opType}`);
      if (!fn) return [{ proto, version: versions.get(domain) ?? versions.get("") ?? 0, name: `${scope}${label}` }];
      if (depth >= inliningDepthLimit) this.#fail("ONNX_FUNCTION_DEPTH", `function ${fn.name} is nested deeper than ${inliningDepthLimit}`);
      const own = new Map(fn.opsetImport.map((opset) => [opset.domain === "ai.onnx" ? "" : opset.domain, Number(opset.version)]));
      const body = this.#substitute(fn, proto, `${scope}${label}/${this.#inlined++}/`);
      return this.#expand(body, own, `${scope}${label}/`, depth + 1);
    });
  }

  #substitute(fn: FunctionProto, call: NodeProto, prefix: string): NodeProto[] {
    if (this.#inlined > inlinedNodesLimit) this.#fail("ONNX_FUNCTION_SIZE", `more than ${inlinedNodesLimit} function calls`);
    const names = new Map<string, string>();
    for (const [place, name] of fn.input.entries()) names.set(name, call.input[place] ?? "");
    for (const [place, name] of fn.output.entries()) names.set(name, call.output[place] || `${prefix}${name}`);
    const rename = (name: string): string => (name === "" ? "" : (names.get(name) ?? `${prefix}${name}`));
    const given = new Map([...fn.attributeProto, ...call.attribute].map((attribute) => [attribute.name, attribute]));
    return fn.node.map((node) => ({
      ...node,
      input: node.input.map(rename),
      output: node.output.map(rename),
      attribute: node.attribute.flatMap((attribute) => {
        if (attribute.refAttrName === "") return [attribute];
        const found = given.get(attribute.refAttrName);
        return found ? [{ ...found, name: attribute.name }] : [];
      }),
    }));
  }

  #refuseUnknownOperators(pending: readonly PendingNode[]): void {
    const unknown = new Set<string>();
    for (const { proto, version } of pending) {
      if (proto.opType === "Constant" && isOwn(proto.domain)) continue;
      const domain = isOwn(proto.domain) ? "" : proto.domain;
      if (domain === "holdfast" || !findOperator(domain, proto.opType, version)) {
        unknown.add(domain === "" ? proto.opType : `${domain}.${proto.opType}`);
      }
    }
    if (unknown.size === 0) return;
    const names = [...unknown].sort();
    const reasons = names.map((name) => (unsupported[name] ? `${name} (${unsupported[name]})` : name));
    const near = names.length === 1 ? nearest(names[0]!, operatorNames()) : undefined;
    throw new HoldfastError("ONNX_UNKNOWN_OPERATOR", `no kernel and no eager form for: ${reasons.join(", ")}`, {
      hint: near ? `did the exporter mean ${near}? docs/onnx-support.md lists the operators` : "docs/onnx-support.md lists the operators",
      details: { operators: names },
    });
  }

  #takeInitializers(): void {
    if (this.#proto.sparseInitializer.length > 0) this.#fail("ONNX_UNSUPPORTED_TYPE", "sparse initialisers are not taken", "store them dense");
    for (const tensor of this.#proto.initializer) {
      const constant = constantFromTensor(tensor, `initialiser ${JSON.stringify(tensor.name)}`, this.#options.readExternal);
      this.#newValue(tensor.name, constant, constant);
    }
  }

  #takeInputs(): void {
    const open: string[] = [];
    const used = new Set<string>();
    for (const info of this.#proto.input) {
      const { bind, shapes } = this.#options;
      const bound = bind && Object.hasOwn(bind, info.name) ? bind[info.name] : undefined;
      // An initialiser of an input is its default: as the input is not going to be given, it is a constant.
      if (this.#idOf.has(info.name) && !bound) continue;
      const where = `input ${JSON.stringify(info.name)}`;
      const declared = this.#declaredType(info, where);
      used.add(info.name);
      if (bound) {
        if (declared && declared.type !== bound.type) {
          this.#fail("ONNX_BIND_TYPE", `${where} is ${declared.type}, but ${bound.type} was given`, "give a value of the input's type");
        }
        this.#idOf.delete(info.name);
        this.#newValue(info.name, bound, bound);
        continue;
      }
      if (!declared) this.#fail("ONNX_BAD_INPUT", `${where} has no type`);
      const given = shapes && Object.hasOwn(shapes, info.name) ? shapes[info.name] : undefined;
      const shape = resolveShape(declared, given, info.name, open);
      if (!shape) continue;
      checkedCount(shape, where);
      this.#inputs.push(this.#newValue(info.name, { type: declared.type, shape }));
    }
    if (open.length > 0) {
      throw new HoldfastError("ONNX_DYNAMIC_SHAPE", `the model leaves the shape open of: ${open.map((one) => one.split("=")[0]).join(", ")}`, {
        hint: `give it: ${open.map((one) => `--shape ${one}`).join(" ")}`,
        details: { flags: open.map((one) => `--shape ${one}`) },
      });
    }
    for (const name of [...Object.keys(this.#options.shapes ?? {}), ...Object.keys(this.#options.bind ?? {})]) {
      if (used.has(name)) continue;
      const names = this.#proto.input.map((info) => info.name);
      throw new HoldfastError("ONNX_UNKNOWN_INPUT", `the model has no input ${JSON.stringify(name)}`, {
        hint: `its inputs are: ${names.join(", ")}`,
      });
    }
  }

  /** Nodes in an order in which what they read is made before; cycles and dangling names refused. */
  #takeNodes(pending: readonly PendingNode[]): GraphNode[] {
    const makerOf = new Map<string, number>();
    for (const [place, { proto, name }] of pending.entries()) {
      for (const output of proto.output) {
        if (output === "") continue;
        if (makerOf.has(output) || this.#idOf.has(output)) this.#fail("ONNX_DUPLICATE_NAME", `node ${JSON.stringify(name)} makes ${JSON.stringify(output)}, which exists already`);
        makerOf.set(output, place);
      }
    }
    for (const { proto, name } of pending) {
      for (const input of proto.input) {
        if (input === "" || makerOf.has(input) || this.#idOf.has(input)) continue;
        this.#fail("ONNX_DANGLING", `node ${JSON.stringify(name)} (${proto.opType}) reads ${JSON.stringify(input)}, which nothing makes`);
      }
    }
    const order = this.#sorted(pending, makerOf);
    return order.map((place) => this.#takeNode(pending[place]!));
  }

  #sorted(pending: readonly PendingNode[], makerOf: ReadonlyMap<string, number>): number[] {
    const waitsFor = pending.map(({ proto }) => new Set(proto.input.map((name) => makerOf.get(name)).filter((place) => place !== undefined)));
    const waiters = new Map<number, number[]>();
    for (const [place, needed] of waitsFor.entries()) {
      for (const maker of needed) waiters.set(maker, [...(waiters.get(maker) ?? []), place]);
    }
    const inOrder = waitsFor.every((needed, place) => [...needed].every((maker) => maker < place));
    if (inOrder) return pending.map((_, place) => place);
    const ready = pending.map((_, place) => place).filter((place) => waitsFor[place]!.size === 0);
    const order: number[] = [];
    for (let next = ready.shift(); next !== undefined; next = ready.shift()) {
      order.push(next);
      for (const waiter of waiters.get(next) ?? []) {
        waitsFor[waiter]!.delete(next);
        if (waitsFor[waiter]!.size === 0) ready.push(waiter);
      }
    }
    if (order.length < pending.length) {
      const stuck = pending.filter((_, place) => waitsFor[place]!.size > 0).slice(0, 4);
      this.#fail("ONNX_CYCLE", `the graph has a cycle through: ${stuck.map(({ name }) => JSON.stringify(name)).join(", ")}`);
    }
    return order;
  }

  #takeNode({ proto, version, name }: PendingNode): GraphNode {
    const attributes: Record<string, AttributeValue> = {};
    for (const attribute of proto.attribute) {
      const value = this.#attribute(attribute, name);
      if (value) attributes[attribute.name] = value;
    }
    const inputs = proto.input.map((input) => (input === "" ? absent : this.#idOf.get(input)!));
    while (inputs.at(-1) === absent) inputs.pop();
    const constant = proto.opType === "Constant" && isOwn(proto.domain) ? constantOfNode(attributes) : undefined;
    const unknownType: TensorType = { type: "float32", shape: [] };
    const outputs = proto.output.map((output) => (output === "" ? absent : this.#newValue(output, constant ?? unknownType, constant)));
    if (proto.opType === "Constant" && isOwn(proto.domain) && !constant) {
      this.#fail("ONNX_UNSUPPORTED_TYPE", `Constant node ${JSON.stringify(name)} holds strings or a sparse tensor`, "only dense number tensors are taken");
    }
    return { name, domain: isOwn(proto.domain) ? "" : proto.domain, operator: proto.opType, version, inputs, outputs, attributes };
  }

  #attribute(attribute: AttributeProto, node: string): AttributeValue | undefined {
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    switch (attribute.type || guessKind(attribute)) {
      case 1:
        return { kind: "float", value: attribute.f };
      case 2:
        return { kind: "int", value: Number(attribute.i) };
      case 3:
        return { kind: "string", value: text(attribute.s) };
      case 4: {
        if (!attribute.t) return undefined;
        const where = `attribute ${attribute.name} of node ${JSON.stringify(node)}`;
        return { kind: "tensor", value: constantFromTensor(attribute.t, where, this.#options.readExternal) };
      }
      case 6:
        return { kind: "floats", value: attribute.floats };
      case 7:
        return { kind: "ints", value: attribute.ints.map(Number) };
      case 8:
        return { kind: "strings", value: attribute.strings.map(text) };
      default:
        this.#fail("ONNX_UNSUPPORTED_FORM", `attribute ${attribute.name} of node ${JSON.stringify(node)} is of kind ${attribute.type}`, "graphs, sparse tensors and types as attributes are not taken");
    }
  }

  #newValue(name: string, { type, shape }: TensorType, constant?: ConstantData): number {
    if (this.#idOf.has(name)) this.#fail("ONNX_DUPLICATE_NAME", `two values are called ${JSON.stringify(name)}`);
    const id = this.#values.length;
    this.#values.push({ id, name, type, shape, ...(constant ? { constant } : {}) });
    this.#idOf.set(name, id);
    return id;
  }

  #declare(id: number, info: ValueInfoProto): void {
    const declared = this.#declaredType(info, `value ${JSON.stringify(info.name)}`);
    if (declared) this.#declared.set(id, declared);
  }

  #declaredType(info: ValueInfoProto, where: string): DeclaredType | undefined {
    const { value } = info.type ?? { value: { case: undefined } };
    if (value?.case === undefined) return undefined;
    if (value.case !== "tensorType") {
      const kind = value.case.replace(/Type$/, "");
      throw new HoldfastError("ONNX_UNSUPPORTED_TYPE", `${where} is a ${kind}, not a tensor`, { hint: "only dense tensors are taken" });
    }
    const type = elementTypeFromOnnx(value.value.elemType, where);
    const shape = value.value.shape?.dim.map(({ value: extent }) =>
      extent.case === "dimValue" && extent.value >= 0n ? Number(extent.value) : undefined,
    );
    return { type, shape };
  }
}

function isOwn(domain: string): boolean {
  return domain === "" || domain === "ai.onnx";
}

/** The declared shape with open extents filled from the given one; open inputs are added to `open` as flags. */
function resolveShape(declared: DeclaredType, given: Shape | undefined, name: string, open: string[]): Shape | undefined {
  const { shape } = declared;
  if (given) {
    const fits = !shape || (shape.length === given.length && shape.every((extent, axis) => extent === undefined || extent === given[axis]));
    if (fits && given.every((extent) => Number.isInteger(extent) && extent >= 0)) return given;
    const text = shape?.map((extent) => extent ?? "?").join("x") ?? "any";
    throw new HoldfastError("ONNX_SHAPE_DISAGREES", `input ${JSON.stringify(name)} has shape ${text} in the model, but ${given.join("x")} was given`, {
      hint: `give a shape of the form ${text}`,
    });
  }
  if (shape && shape.every((extent) => extent !== undefined)) return shape;
  open.push(`${name}=${shape ? shape.map((extent) => extent ?? 1).join("x") : "1"}`);
  return undefined;
}

function constantOfNode(attributes: Readonly<Record<string, AttributeValue>>): ConstantData | undefined {
  const { value, value_float, value_floats, value_int, value_ints } = attributes;
  if (value?.kind === "tensor") return value.value;
  if (value_float?.kind === "float") return denseConstant("float32", [], [value_float.value]);
  if (value_floats?.kind === "floats") return denseConstant("float32", [value_floats.value.length], value_floats.value);
  if (value_int?.kind === "int") return denseConstant("int64", [], [BigInt(value_int.value)]);
  if (value_ints?.kind === "ints") return denseConstant("int64", [value_ints.value.length], value_ints.value.map(BigInt));
  return undefined;
}

/** Files older than the `type` field leave it to be seen from what is filled in. */
function guessKind(attribute: AttributeProto): number {
  if (attribute.t) return 4;
  if (attribute.ints.length > 0) return 7;
  if (attribute.floats.length > 0) return 6;
  if (attribute.strings.length > 0) return 8;
  if (attribute.s.length > 0) return 3;
  if (attribute.g) return 5;
  return attribute.f !== 0 ? 1 : 2;
}

/** The candidate with the least edits, if that is few. */
function nearest(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 4)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, place) => place);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
