/**
 * The one door to a context. Only own properties of objects and entries of maps are seen, so nothing that a prototype
 * holds, polluted or not, can take the place of a value; what is neither number, string nor boolean is refused.
 *
 * A dotted name is first looked up whole, as a key with dots in it, then walked part by part.
 */
import type { HoldfastError } from "../base/index.ts";
import { policyError } from "./fault.ts";
import type { PolicyLimits } from "./limits.ts";
import { describeValue, shownName } from "./literal.ts";
import type { PolicyValue } from "./operators.ts";
import { type NameNode, unknownName } from "./tree.ts";

/** Named values, or groups of them: plain objects or maps. Only own properties count. */
export type PolicyContext =
  | { readonly [name: string]: PolicyValue | PolicyContext }
  | ReadonlyMap<string, PolicyValue | PolicyContext>;

/** What a context of type `C` must be: the same, so that an interface without an index signature will do. */
export type PolicyContextOf<C> = C extends PolicyValue | PolicyContext
  ? C
  : C extends readonly unknown[] | ((...given: never[]) => unknown)
    ? never
    : C extends object
      ? { readonly [K in keyof C]: PolicyContextOf<C[K]> }
      : never;

/** A context whose own properties are its names. */
export type OpenContext = Readonly<Record<string, unknown>>;

const hasOwn = Object.hasOwn;
const missing: unique symbol = Symbol("missing");

/** The context as it is. Throws POLICY_TYPE where it is no object. */
export function openContext(context: unknown, text: string): OpenContext {
  if (isGroup(context)) return context as OpenContext;
  throw policyError({
    code: "POLICY_TYPE",
    text,
    at: 0,
    expected: "a context that is an object or a map",
    found: describeValue(context),
    hint: "Give the names their values, as in { failures: 3 }.",
  });
}

/** The value of a name. Throws POLICY_UNKNOWN_NAME, POLICY_TYPE and POLICY_LIMIT. */
export function lookUp(context: OpenContext, node: NameNode, text: string, limits: PolicyLimits): PolicyValue {
  const { at, name } = node;
  const value = find(context, node, text);
  if (value === missing) throw unknownName(text, at, name, namesIn(context), "a name of the context");
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (typeof value !== "string") {
    const hint = "A context gives numbers, strings and booleans, alone or in plain objects.";
    throw typeFault(text, node, "a number, a string or a boolean", describeValue(value), hint);
  }
  if (value.length <= limits.valueCharacters) return value;
  const expected = `a string of at most ${limits.valueCharacters} characters in ${shownName(name)}`;
  const hint = "Shorten the value, or raise limits.valueCharacters.";
  throw policyError({ code: "POLICY_LIMIT", text, at, expected, found: String(value.length), hint });
}

function find(context: OpenContext, node: NameNode, text: string): unknown {
  const whole = own(context, node.name, node, text);
  if (whole !== missing || node.parts.length === 1) return whole;
  let value: unknown = context;
  for (let depth = 0; depth < node.parts.length; depth++) {
    if (!isGroup(value)) throw noGroup(value, depth, node, text);
    value = own(value, node.parts[depth]!, node, text);
    if (value === missing) return missing;
  }
  return value;
}

function isGroup(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function noGroup(value: unknown, depth: number, node: NameNode, text: string): HoldfastError {
  const group = node.parts.slice(0, depth).join(".");
  const hint = `${shownName(group)} is no object, so it has no ${shownName(node.parts[depth]!)}.`;
  return typeFault(text, { ...node, name: group }, "an object", describeValue(value), hint);
}

function own(container: object, key: string, node: NameNode, text: string): unknown {
  try {
    if (container instanceof Map) return container.has(key) ? container.get(key) : missing;
    return hasOwn(container, key) ? (container as OpenContext)[key] : missing;
  } catch (error) {
    const hint = "The context's own code (a getter, a proxy) threw; that error is the cause.";
    throw typeFault(text, node, "a value that can be read", "an error", hint, error);
  }
}

function typeFault(text: string, { at, name }: NameNode, what: string, found: string, hint: string, cause?: unknown) {
  return policyError({
    code: "POLICY_TYPE",
    text,
    at,
    expected: `${what} in ${shownName(name)}`,
    found,
    hint,
    cause,
  });
}

const visitedEntries = 500;
const visitedDepth = 4;

/** Names that a context has, for a hint: as many as can be listed soon, and without running any code of it. */
function namesIn(context: OpenContext): string[] {
  const names: string[] = [];
  let visited = 0;
  const list = (container: object, prefix: string, depth: number): void => {
    for (const [key, value] of entriesOf(container)) {
      if (++visited > visitedEntries) return;
      if (!isGroup(value)) names.push(prefix + key);
      else if (depth < visitedDepth) list(value, `${prefix}${key}.`, depth + 1);
    }
  };
  try {
    list(context, "", 1);
  } catch {
    // A proxy refused; what was listed until then is still a hint.
  }
  return names;
}

function* entriesOf(container: object): Generator<[string, unknown]> {
  if (container instanceof Map) {
    for (const [key, value] of container) if (typeof key === "string") yield [key, value];
    return;
  }
  for (const key of Object.keys(container)) {
    const property = Object.getOwnPropertyDescriptor(container, key);
    if (property !== undefined) yield [key, property.value];
  }
}
