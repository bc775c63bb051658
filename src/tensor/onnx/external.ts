/** Which files beside a model hold its tensors. */
import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, type NodeProto, type TensorProto } from "../gen/onnx/onnx_pb.ts";

/** Locations of external data as the model writes them, each once; unchecked. Empty where the model cannot be read. */
export function externalLocations(model: Uint8Array): string[] {
  const found = new Set<string>();
  const take = (tensor: TensorProto | undefined): void => {
    if (tensor?.dataLocation !== 1) return;
    const entry = tensor.externalData.find(({ key }) => key === "location");
    if (entry) found.add(entry.value);
  };
  const walk = (initializers: readonly TensorProto[], nodes: readonly NodeProto[]): void => {
    initializers.forEach(take);
    for (const node of nodes) {
      for (const { t, g } of node.attribute) {
        take(t);
        if (g) walk(g.initializer, g.node);
      }
    }
  };
  try {
    const { graph, functions } = fromBinary(ModelProtoSchema, model, { readUnknownFields: false });
    if (graph) walk(graph.initializer, graph.node);
    for (const { node } of functions) walk([], node);
  } catch {
    // What cannot be decoded is refused, with its reason, when the model is imported.
    return [];
  }
  return [...found];
}

/** Whether a location stays inside the model's folder. */
export function staysInside(location: string): boolean {
  return (
    location !== "" &&
    !/^([/\\]|[A-Za-z]:)/.test(location) &&
    !location.split(/[/\\]/).includes("..") &&
    !location.includes("\0")
  );
}
