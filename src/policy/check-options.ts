/**
 * What a rule may be compiled with. A misspelt option would leave names undeclared or a limit at its default, and
 * nobody would know before the night in which it mattered: so it is refused.
 */
import { type ErrorCode, errorText, HoldfastError, nearestName } from "../base/index.ts";
import { defaultPolicyLimits } from "./limits.ts";

const code: ErrorCode = "POLICY_OPTION";
const optionNames = ["limits", "names", "types", "result"];
const typeNames: readonly unknown[] = ["number", "string", "boolean"];

/** Throws POLICY_OPTION. */
export function checkOptions(options: unknown): void {
  const { limits, names, types, result } = groupOf("options", options, optionNames);
  if (limits !== undefined) groupOf("limits", limits, Object.keys(defaultPolicyLimits));
  if (result !== undefined) checkType("result", result);
  const isList = Array.isArray(names) && names.every((name) => typeof name === "string");
  if (names !== undefined && !isList) throw wrong("names", names, "a list of texts");
  if (types === undefined) return;
  for (const [name, type] of Object.entries(groupOf("types", types))) checkType(`types.${name}`, type);
}

function checkType(option: string, value: unknown): void {
  if (!typeNames.includes(value)) throw wrong(option, value, '"number", "string" or "boolean"');
}

/** The values by name, of which no others may be there than those that are known. */
function groupOf(option: string, value: unknown, known?: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(option, value, "an object");
  for (const name of Object.keys(value)) {
    if (known === undefined || known.includes(name)) continue;
    const meant = nearestName(name, known);
    throw new HoldfastError(code, `compilePolicy: ${option} have no ${name}`, {
      hint: meant === undefined ? `There are: ${known.join(", ")}.` : `Did you mean ${meant}?`,
      details: { option: name },
    });
  }
  return value as Readonly<Record<string, unknown>>;
}

function wrong(option: string, value: unknown, allowed: string): HoldfastError {
  const found = errorText(value).slice(0, 100);
  return new HoldfastError(code, `compilePolicy: ${option} is ${found}, which is not ${allowed}`, {
    hint: `Give ${option} as ${allowed}.`,
    details: { option, value: found, allowed },
  });
}
