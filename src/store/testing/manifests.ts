/** Manifest edits for tests, and what there is to compare. */

import { hexOf, utf8 } from "../../base/index.ts";
import type { ManifestFile, ManifestState } from "../manifest/state.ts";

export const folder = "/store";

export function segmentFile(id: number, level = 0): ManifestFile {
  return {
    id,
    kind: "segment",
    level,
    sizeBytes: 1_000 + id,
    checksum: (id * 2_654_435_761) >>> 0,
    entries: 10,
    tombstones: 1,
    smallestKey: utf8(`a${id}`),
    largestKey: utf8(`z${id}`),
    smallestSequence: id,
    largestSequence: id + 9,
  };
}

export function contentFile(id: number): ManifestFile {
  const nothing = { level: 0, checksum: 0, entries: 0, tombstones: 0, smallestSequence: 0, largestSequence: 0 };
  return { id, kind: "content", sizeBytes: 5, smallestKey: utf8(""), largestKey: utf8(""), ...nothing };
}

/** Without what says nothing of the store: which number comes next. */
export function textOf(state: ManifestState): string {
  const files = [...state.files.values()]
    .sort((a, b) => a.id - b.id)
    .map((file) => ({ ...file, smallestKey: hexOf(file.smallestKey), largestKey: hexOf(file.largestKey) }))
    .map((file) => Object.entries(file).sort());
  return JSON.stringify({ files, flushed: state.flushedPosition, values: [...state.values].sort() });
}
