/** The walk over a GraphProto: names to ids, initialisers and inputs, functions and branches inlined, nodes sorted. */
import { HoldfastError } from "../../base/index.ts";
import type { GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from "../gen/onnx/onnx_pb.ts";
import { elementsOf } from "../graph/constant.ts";
import { absent, type ConstantData, type Graph, type GraphNode, type GraphValue } from "../graph/graph.ts";
import type { TensorType } from "../ir/element-type.ts";
import { inferAndFold } from "../passes/infer-and-fold.ts";
import { attributesOf, constantOfNode } from "./attribute.ts";
import type { ImportOptions } from "./import.ts";
import { Inliner, type PendingNode } from "./inline.ts";
import { type DeclaredType, declaredType, type NamedInput, resolveShapes } from "./input-shape.ts";
import { branchLimit } from "./limits.ts";
import { type OpsetVersions, plainDomain } from "./opset.ts";
import { checkedCount, constantFromTensor } from "./tensor.ts";
import { topologicalOrder } from "./topological-order.ts";
import { isKnownOperator, refuseUnknownOperators } from "./unknown-operators.ts";

export interface ImportedGraph {
  readonly graph: Graph;
  /** By value id. */
  readonly declared: ReadonlyMap<number, DeclaredType>;
}

export class GraphImporter {
  readonly #proto: GraphProto;
  readonly #options: ImportOptions;
  readonly #values: GraphValue[] = [];
  readonly #idOf = new Map<string, number>();
  readonly #inputs: number[] = [];
  readonly #declared = new Map<number, DeclaredType>();

  constructor(proto: GraphProto, options: ImportOptions) {
    this.#proto = proto;
    this.#options = options;
  }

  run(model: ModelProto, versions: OpsetVersions): ImportedGraph {
    if (this.#proto.sparseInitializer.length > 0) {
      this.#fail("ONNX_UNSUPPORTED_TYPE", "sparse initialisers are not taken", "store them dense");
    }
    const inliner = new Inliner(model.functions);
    const { nodes, initializers } = this.#takeBranches(inliner.expand(this.#proto.node, versions), inliner);
    refuseUnknownOperators(nodes);
    return this.#build(nodes, initializers, this.#proto.output);
  }

  #build(
    pending: readonly PendingNode[],
    initializers: readonly TensorProto[],
    results: readonly ValueInfoProto[],
  ): ImportedGraph {
    this.#takeInitializers(initializers);
    this.#takeInputs();
    const nodes = this.#takeNodes(pending);
    const outputs = results.map((info) => {
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

  /** Replaces each If whose condition follows from constants and shapes by the branch it takes. */
  #takeBranches(
    pending: readonly PendingNode[],
    inliner: Inliner,
  ): { nodes: readonly PendingNode[]; initializers: TensorProto[] } {
    const initializers = [...this.#proto.initializer];
    let nodes = pending;
    for (let taken = 0; taken < branchLimit && nodes.some(isBranch); taken++) {
      const makerOf = new Map(nodes.flatMap((node) => node.proto.output.map((output) => [output, node] as const)));
      const found = nodes.filter(isBranch).find((node) => this.#ancestors(node, makerOf).every(isKnownOperator));
      if (!found) break;
      const condition = this.#conditionOf(found, this.#ancestors(found, makerOf), initializers);
      if (condition === undefined) break;
      const wanted = condition ? "then_branch" : "else_branch";
      const branch = found.proto.attribute.find(({ name }) => name === wanted)?.g;
      if (!branch) this.#fail("ONNX_BAD_INPUT", `If node ${JSON.stringify(found.name)} has no ${wanted}`);
      const body = inliner.branch(found, branch);
      initializers.push(...body.initializers);
      nodes = nodes.flatMap((node) => (node === found ? body.nodes : [node]));
    }
    return { nodes, initializers };
  }

  /** The nodes that the first input of a node depends on. */
  #ancestors(node: PendingNode, makerOf: ReadonlyMap<string, PendingNode>): PendingNode[] {
    const found = new Set<PendingNode>();
    const waiting = node.proto.input.slice(0, 1);
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      const maker = name === "" ? undefined : makerOf.get(name);
      if (!maker || found.has(maker)) continue;
      found.add(maker);
      waiting.push(...maker.proto.input);
    }
    return [...found];
  }

  #conditionOf(
    node: PendingNode,
    ancestors: readonly PendingNode[],
    initializers: readonly TensorProto[],
  ): boolean | undefined {
    const name = node.proto.input[0] ?? "";
    const read = new Set([name, ...ancestors.flatMap(({ proto }) => proto.input)]);
    const needed = initializers.filter(
      (tensor) => read.has(tensor.name) || this.#proto.input.some((input) => input.name === tensor.name),
    );
    const part = new GraphImporter({ ...this.#proto, output: [], valueInfo: [] }, this.#options);
    const { graph, declared } = part.#build(ancestors, needed, []);
    const id = part.#idOf.get(name);
    if (id === undefined)
      this.#fail(
        "ONNX_DANGLING",
        `If node ${JSON.stringify(node.name)} reads ${JSON.stringify(name)}, which nothing makes`,
      );
    const { constant } = inferAndFold({ ...graph, outputs: [id] }, declared).values[id]!;
    return constant && elementsOf({ ...constant, shape: constant.splat ? [1] : constant.shape })[0] === 1;
  }

  #fail(code: `ONNX_${string}`, message: string, hint = "the model is not valid ONNX: export it again"): never {
    throw new HoldfastError(code, message, { hint });
  }

  #takeInitializers(initializers: readonly TensorProto[]): void {
    const { bind } = this.#options;
    for (const tensor of initializers) {
      if (bind && Object.hasOwn(bind, tensor.name)) continue;
      const constant = constantFromTensor(
        tensor,
        `initialiser ${JSON.stringify(tensor.name)}`,
        this.#options.readExternal,
      );
      this.#newValue(tensor.name, constant, constant);
    }
  }

  #takeInputs(): void {
    const { bind = {}, shapes = {} } = this.#options;
    const initialised = new Set(this.#idOf.keys());
    const open: NamedInput[] = [];
    const names = new Set<string>();
    for (const { name, type } of this.#proto.input) {
      const where = `input ${JSON.stringify(name)}`;
      if (name === "" || names.has(name))
        this.#fail("ONNX_DUPLICATE_NAME", `two inputs are called ${JSON.stringify(name)}`);
      // An initialiser of an input is its default: as the input is not going to be given, it is a constant.
      if (initialised.has(name)) continue;
      names.add(name);
      const declared = declaredType(type, where);
      if (Object.hasOwn(bind, name)) this.#bindInput(name, bind[name]!, declared);
      else if (declared) open.push({ name, declared, given: Object.hasOwn(shapes, name) ? shapes[name] : undefined });
      else this.#fail("ONNX_BAD_INPUT", `${where} has no type`);
    }
    for (const [place, shape] of resolveShapes(open).entries()) {
      const { name, declared } = open[place]!;
      checkedCount(shape, `input ${JSON.stringify(name)}`);
      this.#inputs.push(this.#newValue(name, { type: declared.type, shape }));
    }
    for (const name of [...Object.keys(shapes), ...Object.keys(bind)]) {
      if (names.has(name)) continue;
      throw new HoldfastError("ONNX_UNKNOWN_INPUT", `the model has no input ${JSON.stringify(name)}`, {
        hint: names.size > 0 ? `its inputs are: ${[...names].join(", ")}` : "it has no inputs",
      });
    }
  }

  #bindInput(name: string, bound: ConstantData, declared: DeclaredType | undefined): void {
    const where = `input ${JSON.stringify(name)}`;
    if (declared && declared.type !== bound.type) {
      this.#fail(
        "ONNX_BIND_TYPE",
        `${where} is ${declared.type}, but ${bound.type} was given`,
        "give a value of the input's type",
      );
    }
    const { shape } = declared ?? {};
    if (
      shape &&
      !(
        shape.length === bound.shape.length &&
        shape.every((extent, axis) => extent === undefined || extent === bound.shape[axis])
      )
    ) {
      const form = shape.map((extent) => extent ?? "?").join("x");
      this.#fail(
        "ONNX_SHAPE_DISAGREES",
        `${where} has shape ${form} in the model, but ${bound.shape.join("x")} was given`,
        `give a value of shape ${form}`,
      );
    }
    this.#newValue(name, bound, bound);
  }

  /** Nodes in an order in which what they read is made before; cycles and dangling names refused. */
  #takeNodes(pending: readonly PendingNode[]): GraphNode[] {
    const made = new Set<string>();
    for (const { proto, name } of pending) {
      for (const output of proto.output) {
        if (output === "") continue;
        if (made.has(output) || this.#idOf.has(output)) {
          this.#fail(
            "ONNX_DUPLICATE_NAME",
            `node ${JSON.stringify(name)} makes ${JSON.stringify(output)}, which exists already`,
          );
        }
        made.add(output);
      }
    }
    for (const { proto, name } of pending) {
      const dangling = proto.input.find((input) => input !== "" && !made.has(input) && !this.#idOf.has(input));
      if (dangling !== undefined) {
        this.#fail(
          "ONNX_DANGLING",
          `node ${JSON.stringify(name)} (${proto.opType}) reads ${JSON.stringify(dangling)}, which nothing makes`,
        );
      }
    }
    const found = topologicalOrder(pending.map(({ proto }) => proto));
    if ("order" in found) return found.order.map((place) => this.#takeNode(pending[place]!));
    const round = found.cycle.map((place) => JSON.stringify(pending[place]!.name));
    const shown = round.length > 5 ? [...round.slice(0, 4), `${round.length - 4} more`] : round;
    return this.#fail("ONNX_CYCLE", `the graph has a cycle: ${[...shown, round[0]].join(" -> ")}`);
  }

  #takeNode({ proto, version, name }: PendingNode): GraphNode {
    const domain = plainDomain(proto.domain);
    const attributes = attributesOf(proto.attribute, `node ${JSON.stringify(name)}`, this.#options.readExternal);
    const inputs = proto.input.map((input) => (input === "" ? absent : this.#idOf.get(input)!));
    while (inputs.at(-1) === absent) inputs.pop();
    const constant = isConstant(proto) ? constantOfNode(proto.attribute, attributes) : undefined;
    if (isConstant(proto) && !constant) {
      this.#fail(
        "ONNX_UNSUPPORTED_TYPE",
        `Constant node ${JSON.stringify(name)} holds strings or a sparse tensor`,
        "only dense number tensors are taken",
      );
    }
    const unknownType: TensorType = { type: "float32", shape: [] };
    const outputs = proto.output.map((output) =>
      output === "" ? absent : this.#newValue(output, constant ?? unknownType, constant),
    );
    return { name, domain, operator: proto.opType, version, inputs, outputs, attributes };
  }

  #newValue(name: string, { type, shape }: TensorType, constant?: ConstantData): number {
    if (this.#idOf.has(name)) this.#fail("ONNX_DUPLICATE_NAME", `two values are called ${JSON.stringify(name)}`);
    const id = this.#values.length;
    this.#values.push({ id, name, type, shape, ...(constant ? { constant } : {}) });
    this.#idOf.set(name, id);
    return id;
  }

  #declare(id: number, info: ValueInfoProto): void {
    const declared = declaredType(info.type, `value ${JSON.stringify(info.name)}`);
    if (declared) this.#declared.set(id, declared);
  }
}

function isConstant({ opType, domain }: NodeProto): boolean {
  return opType === "Constant" && plainDomain(domain) === "";
}

function isBranch({ proto }: PendingNode): boolean {
  return proto.opType === "If" && plainDomain(proto.domain) === "";
}
