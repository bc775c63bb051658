/**
 * The manifest: which files are the store. An edit is all there or not at there at all, whatever happens; when `apply`
 * returns, it is durable.
 *
 * When an edit fails to become durable, nobody knows whether it did: `isInDoubt` is true until a later one succeeds,
 * which goes to a new file and so settles it: the failed edit then did not happen. Until then no file is deleted, and
 * whoever made files for the failed edit has to leave them.
 */

import { join } from "node:path";
import { assert, HoldfastError } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { ManifestFileWriter } from "./manifest-file.ts";
import { fileName, manifestName } from "./names.ts";
import { afterEdit, editFault, type ManifestEdit, type ManifestState } from "./state.ts";
import { type Pin, Versions } from "./versions.ts";

export interface ManifestParts {
  readonly disk: Disk;
  readonly folder: string;
  readonly state: ManifestState;
  readonly nextFileId: number;
  /** The highest number that any manifest in the folder has. */
  readonly lastManifest: number;
  readonly rewriteBytes: number;
  readonly writer: ManifestFileWriter;
}

export class Manifest implements AsyncDisposable {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #rewriteBytes: number;
  readonly #versions: Versions;
  #writer: ManifestFileWriter;
  #nextFileId: number;
  #lastManifest: number;
  /** What the present file took when it was new: one that is mostly that is not written anew. */
  #bornBytes: number;
  #isInDoubt = false;
  #isClosed = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(parts: ManifestParts) {
    this.#disk = parts.disk;
    this.#folder = parts.folder;
    this.#rewriteBytes = parts.rewriteBytes;
    this.#versions = new Versions(parts.state);
    this.#writer = parts.writer;
    this.#nextFileId = parts.nextFileId;
    this.#lastManifest = parts.lastManifest;
    this.#bornBytes = parts.writer.sizeBytes;
  }

  get state(): ManifestState {
    return this.#versions.state;
  }

  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  get pins(): number {
    return this.#versions.pins;
  }

  /** A number that no file had. */
  newFileId(): number {
    return this.#nextFileId++;
  }

  pathOf(file: { readonly id: number; readonly kind: "segment" | "content" }): string {
    return join(this.#folder, fileName(file));
  }

  /** Holds the present state until disposed of: none of its files is deleted. */
  pin(): Pin {
    return this.#versions.pin();
  }

  /**
   * Edits follow one another in the order of the calls; one that goes by the state is a function of it. What an edit
   * names must be durable before, and what it no longer names is deleted by `deleteObsolete` alone. `onApplied` is
   * called in the turn in which the state changes, so that nobody pins the one and reads the other. Throws DISK_* where
   * it did not become durable, STORE_CLOSED after `close`.
   */
  apply(
    edited: ManifestEdit | ((state: ManifestState) => ManifestEdit),
    onApplied?: (state: ManifestState) => void,
  ): Promise<ManifestState> {
    return this.#inTurn(async () => {
      const edit = typeof edited === "function" ? edited(this.state) : edited;
      const fault = editFault(this.state, edit);
      assert(fault === undefined, `an edit follows on the state: ${fault}`);
      const next = afterEdit(this.state, edit, this.#nextFileId);
      if (this.#isInDoubt || this.#isGrown()) await this.#rewrite(next);
      else await this.#append(edit, next.nextFileId);
      // Others may have been given out meanwhile.
      this.#nextFileId = Math.max(this.#nextFileId, next.nextFileId);
      this.#versions.publish(next);
      onApplied?.(next);
      return next;
    });
  }

  /** Starts a new file that holds the present state and nothing else. */
  rewrite(): Promise<void> {
    return this.#inTurn(() => this.#rewrite({ ...this.state, nextFileId: this.#nextFileId }));
  }

  /**
   * Deletes what no state and no pin names any more, and returns the names. What cannot be deleted stays for the next
   * call; the first such error is thrown when all were tried.
   */
  deleteObsolete(): Promise<string[]> {
    return this.#inTurn(async () => {
      const names: string[] = [];
      const errors: unknown[] = [];
      for (const file of this.#isInDoubt ? [] : this.#versions.deletable()) {
        try {
          await this.#disk.remove(this.pathOf(file));
          this.#versions.deleted(file.id);
          names.push(fileName(file));
        } catch (error) {
          errors.push(error);
        }
      }
      if (errors.length > 0) throw errors[0];
      return names;
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    await this.#inTurn(async () => {
      this.#isClosed = true;
      await this.#writer.close();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #append(edit: ManifestEdit, nextFileId: number): Promise<void> {
    try {
      await this.#writer.append(edit, nextFileId);
    } catch (error) {
      this.#isInDoubt = true; // mutant: manifest-doubt
      throw error;
    }
  }

  async #rewrite(state: ManifestState): Promise<void> {
    const before = this.#writer;
    try {
      this.#writer = await ManifestFileWriter.create(this.#disk, this.#folder, ++this.#lastManifest, state);
    } catch (error) {
      this.#isInDoubt = true;
      throw error;
    }
    this.#isInDoubt = false;
    this.#bornBytes = this.#writer.sizeBytes;
    // What is left of it is an orphan, which the next opening lists.
    await before.close().catch(() => undefined);
    await this.#disk.remove(join(this.#folder, manifestName(before.manifest))).catch(() => undefined);
  }

  #isGrown(): boolean {
    const { sizeBytes } = this.#writer;
    return sizeBytes > this.#rewriteBytes && sizeBytes > 2 * this.#bornBytes;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(() => {
      if (!this.#isClosed) return work();
      throw new HoldfastError("STORE_CLOSED", `the manifest in ${this.#folder} is closed`);
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}
