/**
 * Checks a store and changes nothing (SPEC S8, S11): the manifest, every byte of every segment and content file, what
 * stands in the entries and where it leads, the log, and what lies in the folder and belongs to nothing.
 *
 * Damage is a finding, never an error: the check goes on behind it. What is thrown is only what keeps it from looking
 * at all. Memory is bounded: a block, a window, twelve bytes for each content, and at most fifty findings of a kind
 * and file; the rest are counted.
 *
 * The contents come first, so that handles can be followed without reading anything twice.
 */

import { basename, join } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { verifyWal } from "../../wal/index.ts";
import { ContentFile } from "../content/content-file.ts";
import { currentName, fileName, manifestName, parseName } from "../manifest/names.ts";
import { readManifest } from "../manifest/open-manifest.ts";
import type { ManifestFile, ManifestState } from "../manifest/state.ts";
import { ContentRows } from "./content-rows.ts";
import { advice, type Finding, Findings } from "./findings.ts";
import { graphCheck, type SectionChecks } from "./section-check.ts";
import { checkSegment } from "./verify-segment-content.ts";

export interface VerifyOptions {
  readonly disk: Disk;
  readonly folder: string;
  /**
   * Of a store that is open: a pinned state. Its files are checked, and nothing of what changes meanwhile (manifest,
   * log, orphans). Without it the store must be closed.
   */
  readonly state?: ManifestState;
  /** Of the log, in the folder. Default "log". */
  readonly logName?: string;
  /** For sections that others put into segments, beside that of the graph. */
  readonly sections?: readonly SectionChecks[];
  readonly onProgress?: (progress: VerifyProgress) => void;
  readonly signal?: AbortSignal;
}

export interface VerifyProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface VerifyReport {
  /** Nothing is lost and nothing has to be made anew. */
  readonly isSound: boolean;
  readonly findings: readonly Finding[];
  /** More findings of the same kinds in the same files. */
  readonly omitted: number;
  readonly segments: number;
  readonly contentFiles: number;
  readonly bytes: number;
  readonly entries: number;
  readonly contents: number;
  /** Committed entries of the log; undefined where it was not looked at. */
  readonly logEntries: number | undefined;
}

/** Throws STORE_MISSING where the folder holds no store, DISK_* where it may not be read, and the signal's reason. */
export async function verifyStore(options: VerifyOptions): Promise<VerifyReport> {
  return await new StoreCheck(options).run();
}

class StoreCheck {
  readonly #options: VerifyOptions;
  readonly #findings = new Findings();
  readonly #contents = new ContentRows();
  #counts = { segments: 0, contentFiles: 0, bytes: 0, entries: 0, contents: 0 };

  constructor(options: VerifyOptions) {
    this.#options = options;
  }

  async run(): Promise<VerifyReport> {
    const { state = await this.#readState() } = this.#options;
    let logEntries: number | undefined;
    if (state !== undefined) {
      await this.#checkFiles(state);
      if (this.#options.state === undefined) logEntries = await this.#checkLog(state);
    }
    const { list, omitted } = this.#findings;
    const isSound = list.every(({ severity }) => severity === "harmless") && omitted === 0;
    return { isSound, findings: list, omitted, ...this.#counts, logEntries };
  }

  async #readState(): Promise<ManifestState | undefined> {
    const { disk, folder } = this.#options;
    const path = join(folder, currentName);
    try {
      const read = await readManifest({ disk, folder });
      if (read === undefined) return await this.#withoutManifest();
      for (const one of read.healed) this.#harmless("manifest", one.path, one.offset, one.reason);
      if (read.torn !== undefined)
        this.#harmless("manifest", join(folder, manifestName(read.number)), read.torn.offset, "an edit was torn off");
      await this.#checkOrphans(read.state, manifestName(read.number));
      return read.state;
    } catch (error) {
      this.#findings.addError(error, { severity: "loss", part: "manifest", path, advice: advice.restore });
      return undefined;
    }
  }

  async #withoutManifest(): Promise<undefined> {
    const { disk, folder } = this.#options;
    const found = (await this.#names()).find((name) => ["segment", "content"].includes(parseName(name)?.what ?? ""));
    if (found === undefined && (await disk.stat(join(folder, currentName))) === undefined) {
      throw new HoldfastError("STORE_MISSING", `there is no store in ${folder}`, {
        hint: "Name the folder of a store: it holds a file CURRENT.",
        details: { path: folder },
      });
    }
    const path = join(folder, currentName);
    const reason = `it is not there, though ${found} is`;
    this.#findings.add({ severity: "loss", part: "manifest", path, reason, advice: advice.restore });
  }

  async #checkOrphans(state: ManifestState, manifest: string): Promise<void> {
    const live = new Set([...state.files.values()].map(fileName)).add(manifest);
    for (const name of await this.#names()) {
      if (parseName(name) === undefined || live.has(name)) continue;
      const path = join(this.#options.folder, name);
      const reason = "the manifest does not name it";
      this.#findings.add({ severity: "harmless", part: "orphan", path, reason, advice: advice.sweep });
    }
  }

  async #names(): Promise<string[]> {
    const { disk, folder } = this.#options;
    return (await disk.list(folder)).filter(({ kind }) => kind === "file").map(({ name }) => name);
  }

  async #checkFiles(state: ManifestState): Promise<void> {
    const { disk, folder, signal, sections = [] } = this.#options;
    const files = [...state.files.values()];
    const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const inOrder = [
      ...files.filter(({ kind }) => kind === "content"),
      ...files.filter(({ kind }) => kind === "segment"),
    ];
    const shared = { disk, folder, state, contents: this.#contents, sections: [graphCheck, ...sections], signal };
    for (const file of inOrder) {
      signal?.throwIfAborted();
      if (file.kind === "content") await this.#checkContent(file);
      else {
        this.#counts.segments++;
        this.#counts.entries += await checkSegment({ ...shared, file }, this.#findings);
      }
      this.#counts.bytes += file.sizeBytes;
      this.#options.onProgress?.({ doneBytes: this.#counts.bytes, totalBytes });
    }
  }

  async #checkContent(file: ManifestFile): Promise<void> {
    const { disk, folder, signal } = this.#options;
    const path = join(folder, fileName(file));
    const about = { severity: "loss", part: "content", path, advice: advice.restore } as const;
    this.#counts.contentFiles++;
    let content: ContentFile;
    try {
      content = await ContentFile.open(disk, path, file.id);
    } catch (error) {
      this.#findings.addError(error, about);
      return;
    }
    try {
      if (content.sizeBytes !== file.sizeBytes)
        this.#findings.add({ ...about, reason: `it has ${content.sizeBytes} bytes instead of ${file.sizeBytes}` });
      for await (const found of content.checked(signal)) {
        if (HoldfastError.is(found)) this.#findings.addError(found, about);
        else {
          this.#contents.add(found);
          this.#counts.contents++;
        }
      }
    } finally {
      await content.close();
    }
  }

  async #checkLog(state: ManifestState): Promise<number | undefined> {
    const { disk, folder, signal, logName = "log" } = this.#options;
    const path = join(folder, logName);
    const about = { severity: "loss", part: "log", path, advice: advice.salvageLog } as const;
    try {
      const report = await verifyWal(disk, path, signal === undefined ? {} : { signal });
      for (const { path: at, offset, reason } of report.lost)
        this.#findings.add({ ...about, path: at, offset, reason });
      if (report.truncatedBefore > state.flushedPosition + 1)
        this.#findings.add({
          ...about,
          reason: `it begins at ${report.truncatedBefore}, and the files end at ${state.flushedPosition}`,
        });
      if (report.torn !== undefined)
        this.#harmless("log", report.torn.path, report.torn.offset, `${basename(report.torn.path)} has a torn end`);
      return report.entries;
    } catch (error) {
      this.#findings.addError(error, about);
      return undefined;
    }
  }

  #harmless(part: Finding["part"], path: string, offset: number, reason: string): void {
    this.#findings.add({ severity: "harmless", part, path, offset, reason, advice: advice.nothing });
  }
}
