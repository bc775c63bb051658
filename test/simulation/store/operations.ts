/** What a script is made of. All of it is plain data: a script that fails is printed, cut shorter and played again. */

import type { ConsolidationPass } from "../../../src/store/consolidation/report.ts";
import type { EdgeInput } from "../../../src/store/item/item.ts";
import type { Slowness } from "./slow-disk.ts";
import type { InputSpec } from "./values.ts";

/** Which version a conditional write names: the one that is there, another one, or none. */
export type Condition = "right" | "wrong" | "absent";

interface OfItem {
  readonly collection: string;
  readonly id: string;
}

export type BatchPart =
  | ({ readonly op: "put"; readonly input: InputSpec; readonly when?: Condition } & OfItem)
  | ({ readonly op: "delete"; readonly when?: Condition } & OfItem)
  | ({ readonly op: "link"; readonly edge: EdgeInput } & OfItem)
  | ({ readonly op: "unlink"; readonly edge: EdgeInput } & OfItem);

export type Write = (
  | BatchPart
  /** null changes nothing; `slow` gives others time to change the item meanwhile. */
  | ({ readonly op: "update"; readonly input: InputSpec | null; readonly slow?: true } & OfItem)
  | { readonly op: "write"; readonly parts: readonly BatchPart[] }
) & { readonly visible?: true };

export interface ScanSpec {
  readonly from?: string;
  readonly to?: string;
  readonly prefix?: string;
  readonly reverse?: boolean;
  readonly limit?: number;
  readonly withContent?: boolean;
}

export type Read =
  | ({ readonly op: "get" | "peek" } & OfItem)
  | { readonly op: "getMany"; readonly collection: string; readonly ids: readonly string[] }
  | { readonly op: "scan"; readonly collection: string; readonly options: ScanSpec }
  | ({ readonly op: "neighbours"; readonly direction: "out" | "in" | "both" } & OfItem)
  | ({ readonly op: "within"; readonly steps: number } & OfItem)
  | {
      readonly op: "search";
      readonly collection: string;
      readonly tag: number;
      readonly k: number;
      /** Only this group of the metadata; as a rule, or as a function. */
      readonly group?: number;
      readonly rule?: "text" | "function";
    }
  | {
      readonly op: "recall";
      readonly collection: string;
      /** Of an embedding; without one, activation alone brings things to mind. */
      readonly tag?: number;
      readonly from: readonly string[];
      readonly k: number;
      readonly use: boolean;
    };

export type Work = { readonly op: "flush" | "compact" | "maintain" } | CompactContent;
interface CompactContent {
  readonly op: "compactContent";
  readonly minimumGarbage: number;
}

export interface Consolidate {
  readonly op: "consolidate";
  readonly passes: readonly ConsolidationPass[];
}

/** At once: each is begun so many turns of the event loop after the one before. */
export interface Together {
  readonly op: "together";
  readonly operations: readonly (Write | Read | Work | Consolidate)[];
  readonly pauses: readonly number[];
}

export interface FaultSpec {
  readonly kind:
    | "open"
    | "list"
    | "read"
    | "shortRead"
    | "write"
    | "sync"
    | "syncFolder"
    | "truncate"
    | "rename"
    | "remove"
    | "space";
  /** A regular expression over paths. */
  readonly path?: string;
  readonly occurrence: number;
  readonly code?: "EIO" | "ENOSPC";
  readonly forever?: true;
  readonly lies?: true;
  /** Written or read all the same; for `space`, what the disk takes beyond what is on it. */
  readonly bytes?: number;
}

/**
 * The end of a process: after so many steps of the disk, or where the next cut is due. What it leaves is opened and
 * compared with the model, several times over; on one of the disks the script goes on, with these faults.
 */
export interface Cut {
  readonly op: "cut";
  readonly after: number;
  /** The process dies and the cache stays; else the power goes. */
  readonly kill?: true;
  readonly survivors: number;
  readonly seed: number;
  /** Recoveries on the way end after so many of their own steps. */
  readonly nested: readonly number[];
  readonly faults: readonly FaultSpec[];
}

export type Operation =
  | Write
  | Read
  | Work
  | Consolidate
  | Together
  | Cut
  | { readonly op: "start"; readonly work: Work }
  | { readonly op: "join" }
  | { readonly op: "snapshot" }
  | { readonly op: "readSnapshot"; readonly which: number; readonly read: Read }
  | { readonly op: "closeSnapshot"; readonly which: number }
  | { readonly op: "openScan"; readonly collection: string; readonly options: ScanSpec }
  | { readonly op: "pullScan"; readonly which: number; readonly count: number }
  | { readonly op: "use"; readonly collection: string; readonly ids: readonly string[] }
  | { readonly op: "advance"; readonly byMs: number }
  | { readonly op: "reopen"; readonly faults: readonly FaultSpec[] }
  | { readonly op: "everything" }
  | { readonly op: "intruder"; readonly readOnly: boolean }
  | { readonly op: "mistake"; readonly collection: string; readonly which: number }
  | Rot;

/** On a copy of the disk: a bit has turned, a file is gone, a file's end was never written, or the log is gone. */
export interface Rot {
  readonly op: "rot";
  readonly what: "bit" | "file" | "end" | "log";
  readonly file: number;
  readonly offset: number;
  readonly bit: number;
}

export interface ScriptSettings {
  readonly collections: readonly {
    readonly name: string;
    readonly metric?: "cosine" | "dot" | "l2";
    readonly quantisation?: "none" | "int8";
    readonly uses?: "explicit" | "reads";
  }[];
  readonly ids: readonly string[];
  readonly memtableEntries: number;
  readonly memtableBytes: number;
  readonly cacheBytes: number;
  readonly contentFromBytes: number;
  readonly manual: boolean;
  /** Before all else a store is begun on a disk of its own, and the power goes in place of this step. */
  readonly firstCut: number;
  readonly slow?: Slowness;
}

export interface Script {
  readonly seed: number;
  readonly settings: ScriptSettings;
  readonly operations: readonly Operation[];
}

/** Those in a burst count each. */
export function countOf(operation: Operation): number {
  return operation.op === "together" ? operation.operations.length : 1;
}
