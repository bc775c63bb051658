/** Which files beside a model hold its tensors. */
import { fromBinary } from "@bufbuild/protobuf";
import { type GraphProto, ModelProtoSchema, type TensorProto } from "../gen/onnx/onnx_pb.ts";

/** Locations of external data as the model writes them, each once; unchecked. Empty where the model cannot be read. */
export function externalLocations(model: Uint8Array): string[] {
  const found = new Set<string>();
  const take = (tensor: TensorProto | undefined): void => {
    if (tensor?.dataLocation !== 1) return;
    const entry = tensor.externalData.find(({ key }) => key === "location");
    if (entry) found.add(entry.value);
  };
  const walk = (graph: GraphProto): void => {
    graph.initializer.forEach(take);
    for (const node of graph.node) for (const { t } of node.attribute) take(t);
  };
  try {
    const { graph } = fromBinary(ModelProtoSchema, model, { readUnknownFields: false });
    if (graph) walk(graph);
  } catch {
    // What cannot be decoded is refused, with its reason, when the model is imported.
    return [];
  }
  return [...found];
}

/** Whether a location stays inside the model's folder. */
export function staysInside(location: string): boolean {
  return location !== "" && !/^([/\\]|[A-Za-z]:)/.test(location) && !location.split(/[/\\]/).includes("..") && !location.includes("\0");
}
