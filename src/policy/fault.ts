/**
 * How an expression is refused: what was expected, what was found, and the place, shown with a caret below it.
 *
 * The excerpt is one line of printable characters and bounded in width, whatever the text holds.
 */
import { HoldfastError } from "../base/index.ts";
import { hiddenCharacters } from "./literal.ts";

export interface Fault {
  readonly code: "POLICY_SYNTAX" | "POLICY_TYPE" | "POLICY_LIMIT" | "POLICY_UNKNOWN_NAME";
  readonly text: string;
  /** Offset into the text, in UTF-16 units from 0. */
  readonly at: number;
  readonly expected: string;
  readonly found: string;
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

const shownBefore = 60;
const shownAfter = 40;
const keptCharacters = 4_096;

/** `details` has line and column from 1 in UTF-16 units, expected, found, and the text (at most 4,096 characters). */
export function policyError({ code, text, at, expected, found, hint, cause }: Fault): HoldfastError {
  const message = `at ${placeOf(text, at)}: expected ${expected}, found ${found}\n${excerpt(text, at)}`;
  return new HoldfastError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
    details: { ...position(text, at), expected, found, text: text.slice(0, keptCharacters) },
  });
}

/** "column 7", and the line before it where there are several. */
export function placeOf(text: string, at: number): string {
  const { line, column } = position(text, at);
  return text.includes("\n") ? `line ${line}, column ${column}` : `column ${column}`;
}

function position(text: string, at: number): { line: number; column: number } {
  return { line: text.slice(0, at).split("\n").length, column: at - lineStart(text, at) + 1 };
}

function lineStart(text: string, at: number): number {
  return at === 0 ? 0 : text.lastIndexOf("\n", at - 1) + 1;
}

function excerpt(text: string, at: number): string {
  const start = lineStart(text, at);
  const newline = text.indexOf("\n", at);
  const end = newline < 0 ? text.length : newline;
  const from = Math.max(start, at - shownBefore);
  const to = Math.min(end, at + shownAfter);
  const before = from > start ? "…" : "";
  const after = to < end ? "…" : "";
  const shown = `  ${before}${text.slice(from, to).replaceAll(hiddenCharacters, "\ufffd")}${after}`;
  return `${shown.trimEnd()}\n  ${" ".repeat(before.length + at - from)}^`;
}
