/**
 * Values as text: the one spelling of each that the canonical form uses, and shortened forms for messages.
 *
 * What could make a line of text look like another line (control characters, marks that change the direction of
 * writing, halves of surrogate pairs) is always written as an escape.
 */
import type { PolicyValue } from "./operators.ts";

/** Characters that do not show, show as a plain space, or show elsewhere than they stand. */
export const hiddenCharacters =
  /[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const shortEscapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** In double quotes, so that the tokenizer reads the same string back. */
export function stringLiteral(value: string): string {
  const escaped = value
    .replaceAll(/["\\]/g, "\\$&")
    .replaceAll(
      hiddenCharacters,
      (unit) => shortEscapes[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  return `"${escaped}"`;
}

/** Numbers in the shortest form that reads back as the same number; minus zero as `-0`. */
export function literalText(value: PolicyValue): string {
  if (typeof value === "string") return stringLiteral(value);
  return Object.is(value, -0) ? "-0" : String(value);
}

const shownCharacters = 40;

/** A string in quotes, cut short. */
export function shortQuote(text: string): string {
  return text.length <= shownCharacters ? stringLiteral(text) : `${stringLiteral(text.slice(0, shownCharacters))}…`;
}

/** A name as messages show it: itself where it is short and plain, else in quotes. */
export function shownName(name: string): string {
  return name.length <= shownCharacters && /^[\w.]+$/.test(name) ? name : shortQuote(name);
}

/** Whatever stands in a context, in the words of a message. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return `the string ${shortQuote(value)}`;
  if (typeof value === "number") return `the number ${literalText(value)}`;
  if (typeof value === "boolean") return `the boolean ${value}`;
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
