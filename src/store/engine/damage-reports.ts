/**
 * Where readers' findings of damage come together: each place once, told to whoever mends. What is found before
 * somebody listens is kept.
 *
 * Damage is what the bytes say. What the device or the system refuses (DISK_IO, DISK_DENIED, …) is none: the bytes may
 * be as they should, and nothing is rewritten for it. Only a file that is gone is damage, for it does not come back.
 */

import { basename } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import { type NamedFile, parseName } from "../manifest/names.ts";
import { damageOf } from "../segment/damage.ts";

export interface DamageReport {
  readonly fileId: number;
  readonly kind: "segment" | "content";
  readonly path: string;
  readonly offset: number;
  readonly reason: string;
}

export class DamageReports {
  readonly #seen = new Set<string>();
  #early: DamageReport[] = [];
  #listener: ((report: DamageReport) => void) | undefined;

  /** From now on it is told of each, and of what was found before. */
  listen(listener: (report: DamageReport) => void): void {
    this.#listener = listener;
    for (const report of this.#early.splice(0)) listener(report);
  }

  /** Whether this error is about damage of a segment or a content file; each place is told once. */
  told(error: unknown): boolean {
    const report = reportOf(error);
    if (report === undefined) return false;
    const place = `${report.path}:${report.offset}`;
    if (this.#seen.has(place)) return true;
    this.#seen.add(place);
    if (this.#listener === undefined) this.#early.push(report);
    else this.#listener(report);
    return true;
  }
}

/** undefined for what is no damage, or not of a segment or a content file. */
export function reportOf(error: unknown): DamageReport | undefined {
  if (!HoldfastError.is(error)) return undefined;
  const { path, offset = 0, isMissing } = error.details;
  // Known already: nothing is won by writing that file anew once more.
  if (isMissing === true) return undefined;
  const named: NamedFile | undefined = typeof path === "string" ? parseName(basename(path)) : undefined;
  if (named === undefined || (named.what !== "segment" && named.what !== "content")) return undefined;
  const isDamage = damageOf(error) !== undefined || damageCodes.has(error.code);
  if (!isDamage || typeof path !== "string" || typeof offset !== "number") return undefined;
  return { fileId: named.number, kind: named.what, path, offset, reason: error.rawMessage };
}

const damageCodes: ReadonlySet<string> = new Set(["STORE_SEGMENT_CORRUPT", "STORE_CONTENT_CORRUPT", "DISK_NOT_FOUND"]);
