/**
 * What options may be. Each part checks its options when it is made, so that a wrong one is met at the start of a
 * program and not in the middle of an outage: an error of code `PART_OPTION` (as in RETRY_OPTION) names the option, its
 * value and what is allowed. A name that is not an option is refused too, with the one that was probably meant. The
 * breaker alone has checks of its own (breaker/check-option.ts), so that an import of it stays small.
 */

import { type ErrorCode, HoldfastError, nearestName } from "../base/index.ts";

/** What the options belong to, as the user calls it, and the code of an error about them. */
export interface Owner {
  readonly name: string;
  readonly code: ErrorCode;
}

/** Options with every default in place. */
export type Complete<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> };

export interface NumberRange {
  readonly least: number;
  readonly most?: number;
  readonly whole?: boolean;
  /** Whether Infinity is allowed. */
  readonly endless?: boolean;
}

/** No duration of ours is longer: about 285,000 years, so that sums stay exact. */
const longestMs = Number.MAX_SAFE_INTEGER;

export function optionError(owner: Owner, option: string, value: unknown, allowed: string): HoldfastError {
  const text = shown(value);
  return new HoldfastError(owner.code, `${owner.name}: option ${option} is ${text}, which is not ${allowed}`, {
    hint: `Give ${option} as ${allowed}.`,
    details: { option, value: text, allowed },
  });
}

/** A number within the range. Throws the owner's error for anything else. */
export function numberOption(owner: Owner, option: string, value: unknown, range: NumberRange): number {
  if (inRange(value, range)) return value;
  throw optionError(owner, option, value, describe(range));
}

/** Milliseconds, from `leastMs` on. */
export function durationOption(owner: Owner, option: string, value: unknown, leastMs = 0): number {
  return numberOption(owner, option, value, { least: leastMs, most: longestMs });
}

/** What the policy is called in errors and events: 1 to 200 characters. */
export function nameOption(owner: Owner, value: unknown, otherwise: string): string {
  if (value === undefined) return otherwise;
  if (typeof value === "string" && value.length > 0 && value.length <= 200) return value;
  throw optionError(owner, "name", value, "a text of 1 to 200 characters");
}

/** A part that is brought along, a clock say, known by a method that it has. */
export function partOption<Part>(owner: Owner, option: string, value: Part, method: string): Part {
  const has = typeof (value as Readonly<Record<string, unknown>> | null | undefined)?.[method] === "function";
  if (value === undefined || has) return value;
  throw optionError(owner, option, value, `an object with a method ${method}`);
}

export function functionOption<F>(owner: Owner, option: string, value: F): F {
  if (value === undefined || typeof value === "function") return value;
  throw optionError(owner, option, value, "a function");
}

export function choiceOption<const Choice extends string | boolean>(
  owner: Owner,
  option: string,
  value: unknown,
  choices: readonly Choice[],
): Choice {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw optionError(owner, option, value, `one of ${choices.join(", ")}`);
}

/** The options, where they are an object all of whose names are known. */
export function knownOptions<Options extends object>(
  owner: Owner,
  options: Options,
  names: readonly string[],
): Options {
  if (typeof options !== "object" || options === null) throw optionError(owner, "(all)", options, "an object");
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    const meant = nearestName(name, names);
    throw new HoldfastError(owner.code, `${owner.name}: there is no option ${name}`, {
      hint: meant === undefined ? `Options are: ${names.join(", ")}.` : `Did you mean ${meant}?`,
      details: { option: name, value: shown((options as Record<string, unknown>)[name]), allowed: names.join(", ") },
    });
  }
  return options;
}

function inRange(value: unknown, range: NumberRange): value is number {
  if (typeof value !== "number" || Number.isNaN(value)) return false;
  if (value === Infinity) return range.endless === true;
  if (range.whole === true && !Number.isSafeInteger(value)) return false;
  return value >= range.least && value <= (range.most ?? Infinity);
}

function describe(range: NumberRange): string {
  const kind = range.whole === true ? "a whole number" : "a number";
  const top = range.most === undefined || range.most >= longestMs ? "" : ` and at most ${range.most}`;
  return `${kind} of at least ${range.least}${top}${range.endless === true ? ", or Infinity" : ""}`;
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return typeof value === "function" ? "a function" : String(value);
}
