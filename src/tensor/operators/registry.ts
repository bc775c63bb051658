/** All operator definitions, found by domain, name and opset version. */
import type { OperatorDefinition } from "./definition.ts";
import { families } from "./families.ts";

const byName = new Map<string, OperatorDefinition[]>();
for (const definition of families.flat()) {
  const key = `${definition.domain ?? ""}:${definition.operator}`;
  const list = byName.get(key) ?? [];
  list.push(definition);
  list.sort((a, b) => b.since - a.since);
  byName.set(key, list);
}

/** The definition with the semantics of that version, or undefined where there is none. */
export function findOperator(domain: string, operator: string, version: number): OperatorDefinition | undefined {
  return byName.get(`${domain}:${operator}`)?.find((definition) => definition.since <= version);
}

/** Names of all operators of a domain, sorted. */
export function operatorNames(domain = ""): readonly string[] {
  const names = [...byName.keys()]
    .filter((key) => key.startsWith(`${domain}:`))
    .map((key) => key.slice(domain.length + 1));
  return names.sort();
}
