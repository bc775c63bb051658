/** What a check of a store has found: where, how bad, and what to do. */

import { HoldfastError } from "../../base/index.ts";

/**
 * `harmless` took nothing away. `rebuildable` took away what follows from what is still there. `known` was found and
 * named before. `loss` took something away that is nowhere else.
 */
export type FindingSeverity = "harmless" | "rebuildable" | "known" | "loss";

export type FindingPart = "manifest" | "segment" | "entry" | "section" | "content" | "handle" | "log" | "orphan";

export interface Finding {
  readonly severity: FindingSeverity;
  readonly part: FindingPart;
  readonly path: string;
  /** In the file; undefined where it is about the file as a whole. */
  readonly offset: number | undefined;
  readonly reason: string;
  /** What to do about it. */
  readonly advice: string;
}

/** More of one kind in one file are counted, not kept. */
const limitOfKind = 50;

export const advice = {
  salvage:
    "Compact the store (holdfast store compact): what can be read is kept, and what is lost is named. " +
    "Or restore it from a backup.",
  salvageLog:
    'Open the store with recovery: "salvage" (--salvage): what can be read of the log is kept, and what is lost is ' +
    "named. Or restore it from a backup.",
  restore: "Restore the store from a backup, or the file alone.",
  rebuild: "Nothing is lost: compact the store, and it is made anew.",
  nothing: "Nothing needs to be done.",
  sweep: "It belongs to no state of the store: the next opening removes it.",
  accept: "Write anew what was lost, restore it from a backup, or accept the loss.",
  report: "Report it: no damage of a disk leads here.",
} as const;

export class Findings {
  readonly list: Finding[] = [];
  /** Beside those in the list. */
  omitted = 0;
  readonly #counts = new Map<string, number>();

  add(finding: Omit<Finding, "offset"> & { readonly offset?: number | undefined }): void {
    const kind = `${finding.path}|${finding.part}`;
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    if (count <= limitOfKind) this.list.push({ ...finding, offset: finding.offset });
    else this.omitted++;
  }

  /** An error that says what is wrong with a file, and where. Anything else is thrown on. */
  addError(error: unknown, about: Pick<Finding, "severity" | "part" | "path" | "advice">): void {
    if (!isAboutContent(error)) throw error;
    const { path, offset } = error.details;
    this.add({
      ...about,
      path: typeof path === "string" ? path : about.path,
      offset: typeof offset === "number" ? offset : undefined,
      reason: error.rawMessage,
    });
  }
}

const damageCodes: ReadonlySet<string> = new Set([
  "STORE_SEGMENT_CORRUPT",
  "STORE_CONTENT_CORRUPT",
  "STORE_MANIFEST_CORRUPT",
  "STORE_GRAPH_CORRUPT",
  "STORE_VECTOR_CORRUPT",
  "STORE_VERSION",
  "WAL_CORRUPT",
  "WAL_MISSING",
  "WAL_VERSION",
  "WAL_FORMAT",
  "DISK_IO",
  "DISK_NOT_FOUND",
  "DISK_NOT_A_FILE",
  "DISK_NOT_A_FOLDER",
  "DISK_TOO_LARGE",
]);

/** As against what keeps a check from looking: a permission, too many open files, an abort, a bug. */
function isAboutContent(error: unknown): error is HoldfastError {
  return HoldfastError.is(error) && damageCodes.has(error.code);
}
