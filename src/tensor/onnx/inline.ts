/**
 * Bodies in place of calls: the model's own functions, and the branch that an If takes once its condition is known.
 *
 * Names inside a body get a prefix of their own, so that two calls never meet; names of the world around stay.
 */
import { HoldfastError } from "../../base/index.ts";
import type { AttributeProto, FunctionProto, GraphProto, NodeProto, TensorProto } from "../gen/onnx/onnx_pb.ts";
import { inlinedNodesLimit, nestingLimit } from "./limits.ts";
import { type OpsetVersions, opsetVersions, plainDomain } from "./opset.ts";

/** A node with the opset versions that hold where it stands, and its full name for people. */
export interface PendingNode {
  readonly proto: NodeProto;
  readonly version: number;
  readonly versions: OpsetVersions;
  readonly name: string;
}

type Rename = (name: string) => string;
type Substitute = (attribute: AttributeProto) => readonly AttributeProto[];

export class Inliner {
  readonly #functions: ReadonlyMap<string, FunctionProto>;
  #bodies = 0;
  #nodes = 0;

  constructor(functions: readonly FunctionProto[]) {
    this.#functions = new Map(functions.map((fn) => [`${plainDomain(fn.domain)}:${fn.name}`, fn]));
  }

  /** The nodes with calls of the model's functions replaced, to any depth within limits. */
  expand(nodes: readonly NodeProto[], versions: OpsetVersions, scope = "", depth = 0): PendingNode[] {
    return nodes.flatMap((proto, place): PendingNode[] => {
      const domain = plainDomain(proto.domain);
      const name = `${scope}${proto.name || `${proto.opType}_${place}`}`;
      const fn = this.#functions.get(`${domain}:${proto.opType}`);
      if (!fn) return [{ proto, version: versions.get(domain) ?? versions.get("") ?? 0, versions, name }];
      if (depth >= nestingLimit) {
        throw new HoldfastError("ONNX_FUNCTION_DEPTH", `function ${fn.name} is nested deeper than ${nestingLimit}`, {
          hint,
        });
      }
      const own = opsetVersions(fn.opsetImport, `function ${fn.name}`);
      return this.expand(this.#bodyOf(fn, proto, this.#prefix(name, fn.node.length)), own, `${name}/`, depth + 1);
    });
  }

  /** The nodes of the branch, making the outputs of the If, and the branch's own initialisers. */
  branch(
    node: PendingNode,
    branch: GraphProto,
  ): { readonly nodes: PendingNode[]; readonly initializers: TensorProto[] } {
    if (
      branch.sparseInitializer.length > 0 ||
      branch.input.length > 0 ||
      branch.output.length < node.proto.output.length
    ) {
      throw new HoldfastError(
        "ONNX_UNSUPPORTED_FORM",
        `a branch of ${JSON.stringify(node.name)} has inputs, sparse initialisers or too few outputs`,
        { hint },
      );
    }
    const prefix = this.#prefix(node.name, branch.node.length);
    const own = namesMadeBy(branch);
    const rename: Rename = (name) => (own.has(name) ? `${prefix}${name}` : name);
    const body = branch.node.map((inner) => renamedNode(inner, rename, keep, 0));
    const results = node.proto.output.flatMap((output, place): NodeProto[] => {
      if (output === "") return [];
      const input = [rename(branch.output[place]!.name)];
      return [
        { ...node.proto, name: `${prefix}${output}`, opType: "Identity", input, output: [output], attribute: [] },
      ];
    });
    return {
      nodes: this.expand([...body, ...results], node.versions, `${node.name}/`),
      initializers: branch.initializer.map((tensor) => ({ ...tensor, name: rename(tensor.name) })),
    };
  }

  #prefix(name: string, nodes: number): string {
    this.#nodes += nodes;
    if (this.#nodes > inlinedNodesLimit) {
      throw new HoldfastError(
        "ONNX_FUNCTION_SIZE",
        `functions and branches grow the model by more than ${inlinedNodesLimit} nodes`,
        { hint },
      );
    }
    return `${name}/${this.#bodies++}/`;
  }

  #bodyOf(fn: FunctionProto, call: NodeProto, prefix: string): NodeProto[] {
    const names = new Map<string, string>([["", ""]]);
    for (const [place, name] of fn.input.entries()) names.set(name, call.input[place] ?? "");
    for (const [place, name] of fn.output.entries()) names.set(name, call.output[place] || `${prefix}${name}`);
    const given = new Map([...fn.attributeProto, ...call.attribute].map((attribute) => [attribute.name, attribute]));
    const substitute: Substitute = (attribute) => {
      if (attribute.refAttrName === "") return [attribute];
      const found = given.get(attribute.refAttrName);
      return found ? [{ ...found, name: attribute.name }] : [];
    };
    const rename: Rename = (name) => names.get(name) ?? `${prefix}${name}`;
    return fn.node.map((node) => renamedNode(node, rename, substitute, 0));
  }
}

const hint = "simplify the model, or export it without functions and branches";

const keep: Substitute = (attribute) => [attribute];

function namesMadeBy(graph: GraphProto): Set<string> {
  const made = [
    ...graph.node.flatMap(({ output }) => output),
    ...[...graph.initializer, ...graph.input].map(({ name }) => name),
  ];
  return new Set(made.filter((name) => name !== ""));
}

function renamedNode(node: NodeProto, rename: Rename, substitute: Substitute, depth: number): NodeProto {
  const attribute = node.attribute
    .flatMap(substitute)
    .map((one) => (one.g ? { ...one, g: renamedGraph(one.g, rename, substitute, depth + 1) } : one));
  return { ...node, input: node.input.map(rename), output: node.output.map(rename), attribute };
}

/** A graph inside a node reads names of the world around, which are renamed; its own names stay. */
function renamedGraph(graph: GraphProto, rename: Rename, substitute: Substitute, depth: number): GraphProto {
  if (depth > nestingLimit)
    throw new HoldfastError("ONNX_FUNCTION_DEPTH", `graphs are nested deeper than ${nestingLimit}`, { hint });
  const own = namesMadeBy(graph);
  const inner: Rename = (name) => (name === "" || own.has(name) ? name : rename(name));
  return {
    ...graph,
    node: graph.node.map((node) => renamedNode(node, inner, substitute, depth)),
    output: graph.output.map((output) => ({ ...output, name: inner(output.name) })),
  };
}
