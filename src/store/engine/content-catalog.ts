/**
 * The content log's files, as the store's manifest knows them. Beside each file it keeps
 *
 *     content.ID = {"sources": [3, 7], "contentBytes": 12345}
 *     garbage.SOURCE = 678        bytes of content first written in that file that nobody points to any more
 *     pending.SOURCE = 1          its contents are named by no segment yet: by the log, or by nobody if a crash came
 */

import type { ContentCatalog, ContentEdit, ContentFileFacts, WrittenContent } from "../content/index.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { ManifestEdit, ManifestFile } from "../manifest/state.ts";

const garbagePrefix = "garbage.";
const pendingPrefix = "pending.";
const noKey = new Uint8Array(0);

export interface CatalogHooks {
  /** In the turn in which the manifest changes: views pin what it names. */
  onCommitted(): void;
  deleteObsolete(): Promise<void>;
}

type CatalogManifest = Pick<Manifest, "state" | "apply" | "newFileId" | "pathOf">;

export class ManifestContentCatalog implements ContentCatalog {
  readonly #manifest: CatalogManifest;
  readonly #hooks: CatalogHooks;
  /** Files of the catalog whose contents came from elsewhere too, or no longer from all that they did. */
  readonly files: readonly ContentFileFacts[];
  readonly garbage: ReadonlyMap<number, number>;

  /** `isNamed` says whether something that no segment has yet names contents of that file. */
  constructor(manifest: CatalogManifest, hooks: CatalogHooks, isNamed: (source: number) => boolean) {
    this.#manifest = manifest;
    this.#hooks = hooks;
    const { files, values } = manifest.state;
    this.files = [...files.values()].filter(({ kind }) => kind === "content").map((file) => contentFacts(file, values));
    const garbage = new Map(
      [...values]
        .filter(([name]) => name.startsWith(garbagePrefix))
        .map(([name, bytes]) => [Number(name.slice(garbagePrefix.length)), Number(bytes)]),
    );
    for (const { file, contentBytes } of this.files)
      if (values.has(pendingPrefix + file) && !isNamed(file)) garbage.set(file, contentBytes);
    this.garbage = garbage;
  }

  newFileId(): number {
    return this.#manifest.newFileId();
  }

  pathOf(id: number): string {
    return this.#manifest.pathOf({ id, kind: "content" });
  }

  async commit({ add, remove, isPending = false }: ContentEdit): Promise<void> {
    const { files, values } = this.#manifest.state;
    const gone = remove.flatMap((id) => sourcesOf(id, values));
    const removed = remove.filter((id) => files.has(id)).map((id) => [`content.${id}`, null] as const);
    const cleared = gone.flatMap((source) => [
      [garbagePrefix + source, null] as const,
      [pendingPrefix + source, null] as const,
    ]);
    const pending = isPending ? add.map(({ file }) => [pendingPrefix + file, "1"] as const) : [];
    const edit = editOf(add);
    const changed = { ...Object.fromEntries([...removed, ...cleared, ...pending]), ...edit.values };
    await this.#manifest.apply({ ...edit, remove, values: changed }, () => this.#hooks.onCommitted());
  }

  async release(): Promise<void> {
    await this.#hooks.deleteObsolete();
  }
}

/** The part of an edit that takes these files in. */
export function editOf(add: readonly WrittenContent[]): ManifestEdit {
  return {
    add: add.map(manifestFileOf),
    values: Object.fromEntries(
      add.map(({ file, sources, contentBytes }) => [`content.${file}`, JSON.stringify({ sources, contentBytes })]),
    ),
  };
}

/** The part of an edit that remembers how much garbage there is; `dropped` by the file of the first writing. */
export function garbageValues(
  garbage: ReadonlyMap<number, number>,
  dropped: Iterable<readonly [source: number, bytes: number]>,
): Record<string, string> {
  return Object.fromEntries(
    [...dropped].map(([source, bytes]) => [garbagePrefix + source, String((garbage.get(source) ?? 0) + bytes)]),
  );
}

/** The part of an edit by which a segment comes to name contents of these files. */
export function namedValues(values: ReadonlyMap<string, string>, sources: Iterable<number>): Record<string, null> {
  const named = [...sources].map((source) => pendingPrefix + source).filter((name) => values.has(name));
  return Object.fromEntries(named.map((name) => [name, null]));
}

function manifestFileOf({ file, sizeBytes, entries }: WrittenContent): ManifestFile {
  return {
    ...{ id: file, kind: "content", level: 0, sizeBytes, checksum: 0, entries, tombstones: 0 },
    ...{ smallestKey: noKey, largestKey: noKey, smallestSequence: 0, largestSequence: 0 },
  };
}

/** What the manifest says of a content file. */
export function contentFacts({ id, sizeBytes }: ManifestFile, values: ReadonlyMap<string, string>): ContentFileFacts {
  const value = values.get(`content.${id}`);
  const { contentBytes = 0 } = value === undefined ? {} : (JSON.parse(value) as { contentBytes?: number });
  return { file: id, sizeBytes, contentBytes, sources: sourcesOf(id, values) };
}

function sourcesOf(id: number, values: ReadonlyMap<string, string>): readonly number[] {
  const value = values.get(`content.${id}`);
  return value === undefined ? [id] : (JSON.parse(value) as { sources: readonly number[] }).sources;
}
