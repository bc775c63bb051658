/** Refuses a model with operators that are not there: all of them at once, with what was probably meant. */
import { HoldfastError, nearestName } from "../../base/index.ts";
import { findOperator, operatorNames } from "../operators/registry.ts";
import type { PendingNode } from "./inline.ts";
import { plainDomain } from "./opset.ts";

/** Why whole groups of ONNX operators are left out. */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/^If$/, "a branch decided when running"],
  [/^(Loop|Scan)$/, "loops"],
  [/Sequence/, "sequences"],
  [/^Optional/, "optional values"],
  [/^(String|RegexFullMatch|LabelEncoder|TfIdf)/, "strings"],
  [/^(Random|Multinomial$|Bernoulli$)/, "random numbers"],
  [/^(NonZero|Unique|Compress)$/, "a shape decided when running"],
];

export function isKnownOperator({ proto, version }: PendingNode): boolean {
  const domain = plainDomain(proto.domain);
  if (domain === "" && proto.opType === "Constant") return true;
  // That domain holds operators the passes make; a model has no business with it.
  return domain !== "holdfast" && findOperator(domain, proto.opType, version) !== undefined;
}

export function refuseUnknownOperators(nodes: readonly PendingNode[]): void {
  const unknown = new Map<string, PendingNode>();
  for (const node of nodes) {
    if (isKnownOperator(node)) continue;
    const domain = plainDomain(node.proto.domain);
    const operator = domain === "" ? node.proto.opType : `${domain}.${node.proto.opType}`;
    if (!unknown.has(operator)) unknown.set(operator, node);
  }
  if (unknown.size === 0) return;
  const names = [...unknown.keys()].sort();
  const near = names.map((name) => nearestFor(unknown.get(name)!)).filter((name) => name !== undefined);
  const seeTable = "docs/onnx-support.md lists the operators";
  const described = names.map((name) => describe(name, unknown.get(name)!));
  throw new HoldfastError("ONNX_UNKNOWN_OPERATOR", `no kernel and no eager form for: ${described.join(", ")}`, {
    hint: near.length > 0 ? `did the exporter mean ${near.join(", ")}? ${seeTable}` : seeTable,
    details: { operators: names },
  });
}

function describe(operator: string, { version, name }: PendingNode): string {
  const at = `at node ${JSON.stringify(name)}`;
  const known = reasons.find(([pattern]) => pattern.test(operator))?.[1];
  if (known) return `${operator} (${known}, ${at})`;
  return operatorNames().includes(operator) ? `${operator} (of opset ${version}, ${at})` : `${operator} (${at})`;
}

function nearestFor({ proto }: PendingNode): string | undefined {
  const names = operatorNames();
  return names.includes(proto.opType) ? undefined : nearestName(proto.opType, names);
}
