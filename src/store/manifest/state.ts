/**
 * Which files make up a store, and how far the log is in them; and the edits that lead from one such state to the next.
 */

import { assert } from "../../base/index.ts";

export const fileKinds = ["segment", "content"] as const;
export type FileKind = (typeof fileKinds)[number];

/** One immutable file, as whoever wrote it described it. Numbers that say nothing for its kind are 0. */
export interface ManifestFile {
  readonly id: number;
  readonly kind: FileKind;
  /** Where it stands among the sorted runs: 0 for what was flushed, higher for what was compacted. */
  readonly level: number;
  readonly sizeBytes: number;
  /** Stands for all its bytes. */
  readonly checksum: number;
  readonly entries: number;
  readonly tombstones: number;
  readonly smallestKey: Uint8Array;
  readonly largestKey: Uint8Array;
  readonly smallestSequence: number;
  readonly largestSequence: number;
}

export interface ManifestState {
  /** By id, in the order in which they were added. */
  readonly files: ReadonlyMap<number, ManifestFile>;
  /** Everything in the log up to here is in the files. */
  readonly flushedPosition: number;
  /** No file had this number or a higher one. */
  readonly nextFileId: number;
  /** What else the engine has to remember with the files, by name. */
  readonly values: ReadonlyMap<string, string>;
}

/** All of it happens, or nothing. */
export interface ManifestEdit {
  readonly add?: readonly ManifestFile[];
  /** Ids. */
  readonly remove?: readonly number[];
  readonly flushedPosition?: number;
  /** null takes a value away. */
  readonly values?: Readonly<Record<string, string | null>>;
}

export const emptyState: ManifestState = { files: new Map(), flushedPosition: 0, nextFileId: 1, values: new Map() };

/** Why this edit cannot follow on that state; undefined where it can. */
export function editFault(state: ManifestState, edit: ManifestEdit): string | undefined {
  const gone = new Set<number>();
  for (const id of edit.remove ?? []) {
    if (!state.files.has(id) || gone.has(id)) return `file ${id} is removed and not there`;
    gone.add(id);
  }
  const added = new Set<number>();
  for (const { id } of edit.add ?? []) {
    if (state.files.has(id) || added.has(id)) return `file ${id} is added and there already`;
    added.add(id);
  }
  if ((edit.flushedPosition ?? state.flushedPosition) < state.flushedPosition) return "the flushed position goes back";
  return undefined;
}

export function afterEdit(state: ManifestState, edit: ManifestEdit, nextFileId: number): ManifestState {
  assert(nextFileId >= state.nextFileId, "file numbers never go back");
  const files = new Map(state.files);
  for (const id of edit.remove ?? []) files.delete(id);
  for (const file of edit.add ?? []) files.set(file.id, file);
  const values = new Map(state.values);
  for (const [name, value] of Object.entries(edit.values ?? {}))
    if (value === null) values.delete(name);
    else values.set(name, value);
  const highest = Math.max(0, ...(edit.add ?? []).map(({ id }) => id));
  return {
    files,
    values,
    flushedPosition: edit.flushedPosition ?? state.flushedPosition,
    nextFileId: Math.max(nextFileId, highest + 1),
  };
}

/** The edit that leads from nothing to this state. */
export function wholeOf(state: ManifestState): ManifestEdit {
  return {
    add: [...state.files.values()],
    flushedPosition: state.flushedPosition,
    values: Object.fromEntries(state.values),
  };
}
