/**
 * An ONNX file -> a graph with names resolved, functions inlined and nodes in topological order. Types and shapes of
 * what nodes make are not known yet: `inferAndFold` finds them.
 *
 * Nothing the file says is trusted: every complaint names the place in the model and what to do.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { HoldfastError } from "../../base/index.ts";
import { type ModelProto, ModelProtoSchema } from "../gen/onnx/onnx_pb.ts";
import type { ConstantData, Graph } from "../graph/graph.ts";
import { inferAndFold } from "../passes/infer-and-fold.ts";
import { GraphImporter } from "./graph-importer.ts";
import { irRange, modelLimitBytes, opsetRange } from "./limits.ts";
import { exportHint, type OpsetVersions, opsetVersions } from "./opset.ts";
import type { ReadExternal } from "./tensor.ts";

export { opsetRange };

export interface ImportOptions {
  /** Shapes of inputs by name, where the model leaves extents open. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /** Inputs fixed to a value when compiling. */
  readonly bind?: Readonly<Record<string, ConstantData>>;
  readonly readExternal?: ReadExternal;
}

/** Throws ONNX_* or TENSOR_* errors. The result is fully typed, constants folded. */
export function importOnnx(bytes: Uint8Array, options: ImportOptions = {}): Graph {
  const model = decodeModel(bytes);
  const graphProto = model.graph;
  if (!graphProto || graphProto.node.length + graphProto.output.length === 0) {
    throw new HoldfastError("ONNX_NO_GRAPH", "the file holds no ONNX graph", {
      hint: "check that it is an ONNX model and that it was copied whole",
    });
  }
  const imported = new GraphImporter(graphProto, options).run(model, versionsOf(model));
  return inferAndFold(imported.graph, imported.declared);
}

function decodeModel(bytes: Uint8Array): ModelProto {
  if (bytes.length === 0) {
    throw new HoldfastError("ONNX_EMPTY", "the model file is empty", { hint: "give the path of an .onnx file" });
  }
  if (bytes.length > modelLimitBytes) {
    throw new HoldfastError(
      "ONNX_TOO_LARGE",
      `the model file has ${bytes.length} bytes, more than ${modelLimitBytes}`,
      {
        hint: "save its weights as external data",
      },
    );
  }
  const known = knownFormat(bytes);
  if (known) {
    throw new HoldfastError("ONNX_NOT_A_MODEL", `the file is ${known}, not an ONNX model`, {
      hint: "give the path of an .onnx file",
    });
  }
  try {
    return fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw new HoldfastError("ONNX_MALFORMED", "the file is not an ONNX model, or it is cut off", {
      cause,
      hint: "check that it was copied whole, or export it again",
    });
  }
}

function knownFormat(bytes: Uint8Array): string | undefined {
  const starts = (...magic: number[]): boolean => magic.every((byte, place) => bytes[place] === byte);
  if (starts(0xff, 0xd8, 0xff)) return "a JPEG image";
  if (starts(0x89, 0x50, 0x4e, 0x47)) return "a PNG image";
  if (starts(0x50, 0x4b, 0x03, 0x04)) return "a ZIP archive (a PyTorch checkpoint is one)";
  if (starts(0x1f, 0x8b)) return "gzip-compressed";
  if (starts(0x89, 0x48, 0x44, 0x46)) return "an HDF5 file";
  if (starts(0x25, 0x50, 0x44, 0x46)) return "a PDF";
  if (starts(0x00, 0x61, 0x73, 0x6d)) return "a WebAssembly module";
  return undefined;
}

function versionsOf(model: ModelProto): OpsetVersions {
  const { irVersion } = model;
  if (irVersion < BigInt(irRange.oldest) || irVersion > BigInt(irRange.newest)) {
    throw new HoldfastError(
      "ONNX_UNSUPPORTED_IR",
      `the file is in version ${irVersion} of the ONNX format; ${irRange.oldest} to ${irRange.newest} are taken`,
      {
        hint: exportHint,
        details: { ir: Number(irVersion) },
      },
    );
  }
  const versions = opsetVersions(model.opsetImport, "the model");
  // Before version 3 of the format there was one opset, and nothing said so.
  if (versions.size === 0 && irVersion < 3n) versions.set("", 1);
  if (!versions.has("") && model.functions.length === 0 && model.graph?.node.some((node) => node.domain === "")) {
    throw new HoldfastError("ONNX_UNSUPPORTED_OPSET", "the model does not say which opset it uses", {
      hint: exportHint,
    });
  }
  return versions;
}
