/** The defaults of consolidation, and what it says to options outside of their limits. */

import { HoldfastError } from "../../base/index.ts";
import type { ConsolidateOptions, ConsolidationPass, NremOptions, PruneOptions, RemOptions } from "./report.ts";

/** The types of edges that consolidation itself keeps. */
export const edgeTypes = { usedAfter: "used-after", prototypeOf: "prototype-of" } as const;

export interface ConsolidationSettings {
  readonly passes: readonly ConsolidationPass[];
  readonly collections: readonly string[] | undefined;
  readonly nrem: Required<NremOptions>;
  readonly rem: Required<RemOptions>;
  readonly prune: Required<PruneOptions>;
}

const passes = ["nrem", "rem", "prune"] as const;
const dayMs = 86_400_000;
const memberLimit = 1_024;

/** Throws STORE_CONSOLIDATE_OPTION. */
export function consolidationSettings(options: ConsolidateOptions = {}): ConsolidationSettings {
  const { passes: asked = passes, collections } = options;
  listOf("passes", asked, (pass) => passes.some((known) => known === pass), `some of ${passes.join(", ")}`);
  if (collections !== undefined) texts("collections", collections);
  return {
    passes: passes.filter((pass) => asked.includes(pass)),
    collections,
    nrem: nremSettings(options.nrem),
    rem: remSettings(options.rem),
    prune: pruneSettings(options.prune),
  };
}

export function nremSettings(options: NremOptions = {}): Required<NremOptions> {
  const settings = {
    rate: options.rate ?? 0.3,
    usesScale: options.usesScale ?? 3,
    strengthening: options.strengthening ?? 0.1,
    weakening: options.weakening ?? 0.105,
    strengtheningMs: options.strengtheningMs ?? 20_000,
    weakeningMs: options.weakeningMs ?? 20_000,
    windowMs: options.windowMs ?? 60_000,
    pairsPerUse: options.pairsPerUse ?? 4,
    minimumWeight: options.minimumWeight ?? 0.01,
    types: options.types ?? [],
  };
  for (const name of ["rate", "strengthening", "weakening", "minimumWeight"] as const) part(name, settings[name]);
  for (const name of ["usesScale", "strengtheningMs", "weakeningMs"] as const) aboveZero(name, settings[name]);
  amount("windowMs", settings.windowMs);
  wholeNumber("pairsPerUse", settings.pairsPerUse, 0, 64);
  texts("types", settings.types);
  if (settings.types.includes(edgeTypes.prototypeOf)) {
    throw wrong("types", `"${edgeTypes.prototypeOf}"`, "any types but that: its weights say how near the members are");
  }
  return settings;
}

export function remSettings(options: RemOptions = {}): Required<RemOptions> {
  const minimumMembers = options.minimumMembers ?? 3;
  const settings = {
    similarity: options.similarity ?? 0.9,
    minimumMembers,
    memberLimit: options.memberLimit ?? Math.max(256, minimumMembers),
  };
  part("similarity", settings.similarity);
  aboveZero("similarity", settings.similarity);
  wholeNumber("minimumMembers", minimumMembers, 2, memberLimit);
  wholeNumber("memberLimit", settings.memberLimit, minimumMembers, memberLimit);
  return settings;
}

export function pruneSettings(options: PruneOptions = {}): Required<PruneOptions> {
  const settings = {
    kappaBelow: options.kappaBelow ?? 0,
    minimumAgeMs: options.minimumAgeMs ?? 30 * dayMs,
    danglingEdges: options.danglingEdges ?? true,
  };
  part("kappaBelow", settings.kappaBelow);
  amount("minimumAgeMs", settings.minimumAgeMs);
  if (typeof settings.danglingEdges !== "boolean")
    throw wrong("danglingEdges", settings.danglingEdges, "true or false");
  return settings;
}

function part(name: string, value: number): void {
  if (!(typeof value === "number" && value >= 0 && value <= 1)) throw wrong(name, value, "0 to 1");
}

function aboveZero(name: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) throw wrong(name, value, "a number above 0");
}

function amount(name: string, value: number): void {
  if (!(typeof value === "number" && value >= 0)) throw wrong(name, value, "0 or more");
}

function wholeNumber(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw wrong(name, value, `a whole number from ${least} to ${most}`);
}

function texts(name: string, value: unknown): void {
  listOf(name, value, (one) => typeof one === "string" && one !== "", "a list of names");
}

function listOf(name: string, value: unknown, isRight: (one: unknown) => boolean, hint: string): void {
  if (!Array.isArray(value)) throw wrong(name, value, hint);
  for (const one of value) if (!isRight(one)) throw wrong(name, one, hint);
}

function wrong(option: string, value: unknown, hint: string): HoldfastError {
  const shown = (typeof value === "string" ? value : String(value)).slice(0, 80);
  return new HoldfastError("STORE_CONSOLIDATE_OPTION", `${option} is ${shown}`, { hint, details: { option } });
}
