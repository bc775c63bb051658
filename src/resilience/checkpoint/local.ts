/**
 * Checkpoints as files of one folder, written so that no instant exists at which the newest acknowledged one is not
 * whole and durable:
 *
 *     once   the folder is made; the writer's lock is taken; what an earlier writer left half done is removed; the
 *            folder and all above it are synced, so that what is listed from here on stays
 *     1      a new file beside its final name, created exclusively, under a name nobody can guess
 *     2      written in full through one descriptor, its size compared, synced through that descriptor, closed; an
 *            error of any of these, of close too, is a failed write
 *     3      renamed to the name of its version, which no file has had before: no good checkpoint is ever touched
 *     4      the folder is synced: only now is the version acknowledged
 *
 * After a failed write or sync nothing of that file is believed, and no second sync of it is tried: the system may have
 * dropped what it could not write and call the next sync a success. The file is removed and written again from memory
 * as a new one, once. After a failed rename or sync of the folder either name may survive: the version counts as used,
 * is not listed, and is reported as CHECKPOINT_UNCERTAIN; after the second such failure in a row nothing more is
 * acknowledged until the folder is opened anew (CHECKPOINT_POISONED). No space (ENOSPC, EDQUOT) is a failure as any.
 *
 * Sources: PostgreSQL's "Fsync Errors"; Rebello et al., USENIX ATC 2020.
 */

import { randomBytes as platformRandomBytes } from "node:crypto";
import { join } from "node:path";
import { errorText, HoldfastError, hexOf, untilAborted } from "../../base/index.ts";
import type { Disk, DiskLock } from "../../disk/index.ts";
import {
  type BackendCapabilities,
  type BackendOptions,
  type CheckpointBackend,
  type GetOptions,
  hasCode,
  type StoredVersions,
  uncertain,
  unreadable,
} from "./backend.ts";
import { fileNameOf, isTemporaryName, parseFileName, reservedNameOf, temporaryNameOf } from "./file-name.ts";

export interface LocalCheckpointsOptions {
  readonly disk: Disk;
  /** Made where it is missing. One writer at a time: a second one gets DISK_LOCKED. */
  readonly folder: string;
  /** Takes no lock and writes nothing: for looking at a folder that a running process writes. Default false. */
  readonly readOnly?: boolean | undefined;
  /** Default: the platform's. */
  readonly randomBytes?: ((count: number) => Uint8Array) | undefined;
}

/**
 * Versions beyond the newest that others may have seen, and that a power cut took back: they are left out after an
 * opening, so that no version ever stands for two states.
 */
const unconfirmedLimit = 2;
const uncertaintiesLimit = 2;
const writeTries = 2;

/** Opens with its first use. A failure to open is that use's failure, and the next one tries again. */
export function localCheckpoints(options: LocalCheckpointsOptions): CheckpointBackend {
  return new LocalCheckpoints(options);
}

class LocalCheckpoints implements CheckpointBackend {
  readonly name = "local";
  readonly capabilities: BackendCapabilities = { durability: "disk", exclusive: true };
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #readOnly: boolean;
  readonly #randomBytes: (count: number) => Uint8Array;
  /** The lowest version that was never used, by id; as found when the folder was opened. */
  readonly #next = new Map<string, number>();
  /** Components whose first version since the opening is reserved. */
  readonly #reserved = new Set<string>();
  /** Files whose names the folder may not keep. */
  readonly #doubtful = new Set<string>();
  #opening: Promise<DiskLock | undefined> | undefined;
  /** Writes are one after the other: each begins when the one before has settled. */
  #turn: Promise<unknown> = Promise.resolve();
  #uncertainties = 0;
  #isClosed = false;

  constructor({ disk, folder, readOnly = false, randomBytes = platformRandomBytes }: LocalCheckpointsOptions) {
    this.#disk = disk;
    this.#folder = folder;
    this.#readOnly = readOnly;
    this.#randomBytes = randomBytes;
  }

  put(id: string, version: number, bytes: Uint8Array, options: BackendOptions = {}): Promise<boolean> {
    return this.#inTurn(options.signal, async () => {
      await this.#open();
      this.#refuseIfPoisoned();
      if (version < this.#nextOf(id)) return false; // mutant: checkpoint-create-only
      await this.#reserve(id, version); // mutant: checkpoint-reserve
      const temporary = await this.#writeTemporary(id, version, bytes, options.signal);
      await this.#publish(id, version, temporary);
      return true;
    });
  }

  async get(id: string, version: number, { limitBytes, signal }: GetOptions): Promise<Uint8Array | undefined> {
    await untilAborted(this.#ready(), signal);
    try {
      const path = this.#pathOf(id, version);
      const reading = this.#disk.readFile(path, { limitBytes, ...(signal === undefined ? {} : { signal }) });
      return await untilAborted(reading, signal);
    } catch (error) {
      if (hasCode(error, "DISK_NOT_FOUND")) return undefined;
      if (hasCode(error, "DISK_IO", "DISK_TOO_LARGE", "DISK_NOT_A_FILE"))
        throw unreadable(id, version, error.rawMessage, error);
      throw error;
    }
  }

  async list(id: string, options: BackendOptions = {}): Promise<StoredVersions> {
    await untilAborted(this.#ready(), options.signal);
    const versions = (await untilAborted(this.#names(), options.signal))
      .filter((name) => !this.#doubtful.has(name)) // mutant: checkpoint-doubtful
      .flatMap((name) => parseFileName(name) ?? [])
      .flatMap((found) => (found.id === id && found.kind === "checkpoint" ? [found.version] : []))
      .sort((a, b) => a - b);
    return { versions, next: Math.max(this.#nextOf(id), (versions.at(-1) ?? 0) + 1) };
  }

  /** Not synced by itself: a removal that a power cut undoes does no harm, and the next put's sync covers it. */
  delete(id: string, version: number, options: BackendOptions = {}): Promise<void> {
    return this.#inTurn(options.signal, async () => {
      await this.#open();
      this.#refuseIfPoisoned();
      await this.#disk.remove(this.#pathOf(id, version));
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#turn;
    const lock = await this.#opening?.catch(() => undefined);
    await lock?.release();
  }

  #inTurn<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    if (this.#readOnly)
      return Promise.reject(
        new HoldfastError("CHECKPOINT_READ_ONLY", `${this.#folder} was opened for reading only`, {
          hint: "Leave out readOnly to write checkpoints.",
        }),
      );
    const done = this.#turn.then(() => {
      signal?.throwIfAborted();
      return work();
    });
    this.#turn = done.catch(() => undefined);
    return untilAborted(done, signal);
  }

  #ready(): Promise<unknown> {
    return this.#readOnly ? Promise.resolve() : this.#open();
  }

  #open(): Promise<DiskLock | undefined> {
    if (this.#isClosed)
      return Promise.reject(new HoldfastError("CHECKPOINT_CLOSED", `the checkpoints in ${this.#folder} are closed`));
    this.#opening ??= this.#openFolder().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #openFolder(): Promise<DiskLock | undefined> {
    await this.#disk.makeFolder(this.#folder);
    let lock: DiskLock | undefined;
    lock = await this.#disk.lock(join(this.#folder, "writer")); // mutant: checkpoint-lock
    try {
      const names = await this.#names();
      const halves = names.filter(isTemporaryName);
      for (const name of halves) await this.#discard(join(this.#folder, name)); // mutant: checkpoint-sweep
      await this.#disk.syncFolder(this.#folder); // mutant: checkpoint-open-sync
      for (const { id, version } of names.flatMap((name) => parseFileName(name) ?? [])) {
        this.#next.set(id, Math.max(this.#nextOf(id), version + unconfirmedLimit + 1)); // mutant: checkpoint-gap
      }
      return lock;
    } catch (error) {
      await lock?.release();
      throw error;
    }
  }

  /**
   * The first version since the opening is written down before it is used: if it and the names after it are lost, and
   * the next writer loses its own in turn, it is still known that they were used. Later ones stand on those before.
   */
  async #reserve(id: string, version: number): Promise<void> {
    if (this.#reserved.has(id)) return;
    const name = reservedNameOf(id, version);
    try {
      if (!(await this.#names()).includes(name)) {
        const file = await this.#disk.open(join(this.#folder, name), "create-new");
        await file.close();
      }
      await this.#disk.syncFolder(this.#folder);
    } catch (cause) {
      await this.#discard(join(this.#folder, name));
      throw writeFailed(id, version, cause);
    }
    this.#reserved.add(id);
    for (const older of await this.#names()) {
      const found = parseFileName(older);
      if (found?.kind === "reserved" && found.id === id && found.version < version)
        await this.#discard(join(this.#folder, older));
    }
  }

  /** What comes back is written, synced and closed under its temporary name. */
  async #writeTemporary(
    id: string,
    version: number,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    for (let tries = 1; ; tries++) {
      signal?.throwIfAborted();
      const temporary = join(this.#folder, temporaryNameOf(fileNameOf(id, version), hexOf(this.#randomBytes(16))));
      try {
        await this.#writeWhole(temporary, bytes);
        return temporary;
      } catch (cause) {
        await this.#discard(temporary);
        if (tries < writeTries) continue;
        throw writeFailed(id, version, cause);
      }
    }
  }

  async #writeWhole(path: string, bytes: Uint8Array): Promise<void> {
    const file = await this.#disk.open(path, "create-new");
    try {
      await file.writeAt([bytes], 0);
      const sizeBytes = await file.sizeBytes();
      const isWhole = sizeBytes === bytes.length;
      if (!isWhole) throw new HoldfastError("DISK_IO", `${path} has ${sizeBytes} bytes of ${bytes.length}`); // mutant: checkpoint-size
      await file.sync(); // mutant: checkpoint-file-sync
    } finally {
      await file.close(); // mutant: checkpoint-close
    }
  }

  async #publish(id: string, version: number, temporary: string): Promise<void> {
    this.#next.set(id, version + 1);
    const name = fileNameOf(id, version);
    try {
      await this.#disk.rename(temporary, join(this.#folder, name));
      await this.#disk.syncFolder(this.#folder); // mutant: checkpoint-folder-sync
      this.#uncertainties = 0;
    } catch (cause) {
      this.#doubtful.add(name);
      this.#uncertainties++; // mutant: checkpoint-poison
      await this.#discard(temporary);
      throw uncertain(id, version, `its name is in doubt: ${textOf(cause)}`, cause);
    }
  }

  #refuseIfPoisoned(): void {
    if (this.#uncertainties < uncertaintiesLimit) return;
    throw new HoldfastError(
      "CHECKPOINT_POISONED",
      `${this.#folder} did not take the last ${this.#uncertainties} versions for sure: nothing more is acknowledged`,
      {
        hint: "Mend the disk, then close these checkpoints and open them anew.",
        details: { folder: this.#folder },
      },
    );
  }

  #nextOf(id: string): number {
    return this.#next.get(id) ?? 1;
  }

  #pathOf(id: string, version: number): string {
    return join(this.#folder, fileNameOf(id, version));
  }

  async #names(): Promise<string[]> {
    try {
      return (await this.#disk.list(this.#folder)).map(({ name }) => name);
    } catch (error) {
      if (this.#readOnly && hasCode(error, "DISK_NOT_FOUND")) return [];
      throw error;
    }
  }

  /** A temporary file that cannot be removed does no harm: it is swept when the folder is opened next. */
  async #discard(path: string): Promise<void> {
    await this.#disk.remove(path).catch(() => undefined);
  }
}

function writeFailed(id: string, version: number, cause: unknown): HoldfastError {
  return new HoldfastError("CHECKPOINT_WRITE_FAILED", `cannot write version ${version} of ${id}: ${textOf(cause)}`, {
    cause,
    hint: "What was kept before is untouched. Mend the disk or free some space, then try again.",
    retryable: true,
    details: { id, version },
  });
}

function textOf(cause: unknown): string {
  if (HoldfastError.is(cause)) return cause.rawMessage;
  return errorText(cause);
}
