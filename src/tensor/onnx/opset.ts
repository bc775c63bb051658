/** The opset versions that a model and its functions import, checked against the range that is taken. */
import { HoldfastError } from "../../base/index.ts";
import type { OperatorSetIdProto } from "../gen/onnx/onnx_pb.ts";
import { opsetRange } from "./limits.ts";

/** By domain; ONNX's own domain is "". */
export type OpsetVersions = ReadonlyMap<string, number>;

/** ONNX's own domain has two spellings. */
export function plainDomain(domain: string): string {
  return domain === "ai.onnx" ? "" : domain;
}

/** `owner` says for people whose imports these are. */
export function opsetVersions(imports: readonly OperatorSetIdProto[], owner: string): Map<string, number> {
  const versions = new Map<string, number>();
  for (const { domain, version } of imports) versions.set(plainDomain(domain), Number(version));
  const own = versions.get("");
  if (own !== undefined && (own < opsetRange.oldest || own > opsetRange.newest)) {
    throw new HoldfastError(
      "ONNX_UNSUPPORTED_OPSET",
      `${owner} uses opset ${own}; ${opsetRange.oldest} to ${opsetRange.newest} are taken`,
      { hint: exportHint, details: { opset: own } },
    );
  }
  return versions;
}

export const exportHint = `export it for an opset from ${opsetRange.oldest} to ${opsetRange.newest}`;
