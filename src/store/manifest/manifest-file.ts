/** The manifest file that edits are appended to. After a failed write or sync it is never written again. */

import { join } from "node:path";
import { assert } from "../../base/index.ts";
import type { Disk, DiskFile } from "../../disk/index.ts";
import { writeCurrent } from "./current.ts";
import { encodeEdit } from "./edit-codec.ts";
import { manifestName } from "./names.ts";
import { editLimitBytes, encodeEditRecords, linkAfter } from "./record.ts";
import { type ManifestEdit, type ManifestState, wholeOf } from "./state.ts";
import type { ManifestContent } from "./walk.ts";

export class ManifestFileWriter {
  readonly manifest: number;
  readonly #file: DiskFile;
  #edits: number;
  #link: number;
  #sizeBytes: number;

  private constructor(
    manifest: number,
    file: DiskFile,
    { edits, link, endBytes }: Pick<ManifestContent, "edits" | "link" | "endBytes">,
  ) {
    this.manifest = manifest;
    this.#file = file;
    this.#edits = edits;
    this.#link = link;
    this.#sizeBytes = endBytes;
  }

  /**
   * One that nothing was appended to. It was durable before CURRENT named it; that CURRENT does is durable when this
   * returns: who wrote it may have been killed before the folder was synced.
   */
  static async open(
    disk: Disk,
    folder: string,
    manifest: number,
    content: ManifestContent,
  ): Promise<ManifestFileWriter> {
    const file = await disk.open(join(folder, manifestName(manifest)), "read-write");
    try {
      await disk.syncFolder(folder);
      return new ManifestFileWriter(manifest, file, content);
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
  }

  /** A new file with this state, durable, and named by CURRENT. */
  static async create(disk: Disk, folder: string, manifest: number, state: ManifestState): Promise<ManifestFileWriter> {
    const file = await disk.open(join(folder, manifestName(manifest)), "create-new");
    try {
      const writer = new ManifestFileWriter(manifest, file, { edits: 0, link: 0, endBytes: 0 });
      await writer.append(wholeOf(state), state.nextFileId);
      await disk.syncFolder(folder); // mutant: manifest-folder-sync
      await writeCurrent(disk, folder, manifest); // mutant: manifest-current
      return writer;
    } catch (error) {
      // It stays: CURRENT may name it by now. Who opens the folder next finds out.
      await file.close().catch(() => undefined);
      throw error;
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The edit is durable when this returns. */
  async append(edit: ManifestEdit, nextFileId: number): Promise<void> {
    const body = encodeEdit({ edit, nextFileId });
    assert(body.length <= editLimitBytes, "an edit has at most 64 MiB");
    const place = { manifest: this.manifest, offset: this.#sizeBytes, number: this.#edits, link: this.#link };
    const records = encodeEditRecords(place, body);
    await this.#file.writeAt([records], this.#sizeBytes);
    await this.#file.syncData(); // mutant: manifest-sync
    this.#edits++;
    this.#link = linkAfter(this.#link, body);
    this.#sizeBytes += records.length;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
