/**
 * A disk in memory that can lose everything a real one can, at every instant, the same way each time.
 *
 * What is durable, and what is not:
 *
 *   - Bytes that were written, a size that changed, and an entry that was made, moved or removed are in the cache. A
 *     sync of the file makes its bytes and its size durable; a sync of the folder makes the folder's entries durable.
 *     Neither does the other's work. Files opened with `dataSync` sync with every write.
 *   - When the power goes, all else is in doubt, each thing by itself and in any order. A sector of 512 bytes may hold
 *     what was last durable in it, any content it had since, the first half of what was written to it, or garbage in
 *     place of that. A size may be the old one or any later one; what then was not written reads as zeros. An entry
 *     may be as it was or as it became: a file that was moved may have the new name, the old one, both or neither.
 *     That is more than journaling file systems lose, and all that POSIX promises.
 *   - Bytes of a sector beside those that were written are never harmed (what SQLite calls powersafe overwrite), and
 *     nothing that was durable is.
 *   - When only the process dies (`restarted`), the cache stays, and is still not durable.
 *
 * Every call that changes or syncs something is one numbered step, a call that does both is two. `crashAtStep(n)`
 * throws SimCrash in place of step n and of all that follows; `powerCut` tells what may be found then. Faults
 * (fault.ts) add what the device and the system do wrong. All calls end in microtasks; there is no time, no chance.
 */

import { basename, dirname, join, resolve } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import {
  type Disk,
  type DiskFile,
  type DiskLock,
  defaultReadLimitBytes,
  type FileStat,
  type FolderEntry,
  type FreeSpace,
  type Mount,
  type OpenMode,
  type OpenOptions,
  type ReadOptions,
  refuseLarger,
  refuseShort,
} from "../disk.ts";
import { diskError, systemError } from "../disk-error.ts";
import { type Fault, FaultPlan } from "./fault.ts";
import { PowerCut, type SurvivorLimits } from "./power-cut.ts";
import { SimCrash } from "./sim-crash.ts";
import { faultError, SimFile, type SimMachine } from "./sim-file.ts";
import { SimFileNode, SimFolderNode } from "./sim-node.ts";
import { filesIn, folderAt, folderOf, namesOf, nodeAt } from "./sim-tree.ts";

export interface SimDiskOptions {
  readonly faults?: readonly Fault[];
  readonly mount?: Mount;
}

export interface Survivor {
  /** Asks for the same one again: `disk.survivor(choices)`. */
  readonly choices: readonly number[];
  readonly disk: SimDisk;
}

const totalBytes = 2 ** 40;

export class SimDisk implements Disk {
  /** The steps that were done. */
  steps = 0;
  /** Called before each step with its number: what the power would leave in its place can be looked at right there. */
  beforeStep: ((step: number) => void) | undefined;
  readonly #options: SimDiskOptions;
  readonly #root: SimFolderNode;
  readonly #faults: FaultPlan;
  readonly #locks = new Set<string>();
  readonly #machine: SimMachine;
  #crashAt = Number.POSITIVE_INFINITY;
  #crashed = false;
  #lastStep = "";

  constructor(options: SimDiskOptions = {}, root: SimFolderNode = new SimFolderNode()) {
    this.#options = options;
    this.#root = root;
    this.#faults = new FaultPlan(options.faults ?? []);
    this.#machine = {
      faults: this.#faults,
      step: (operation, path) => this.#step(operation, path),
      alive: () => this.#alive(),
      roomBytes: () => this.#roomBytes(),
    };
  }

  /** The power goes in place of this step (from 1). */
  crashAtStep(step: number): void {
    this.#crashAt = step;
  }

  get hasCrashed(): boolean {
    return this.#crashed;
  }

  /** The last step, or the one in place of which the power went, for people. */
  get lastStep(): string {
    return this.#lastStep;
  }

  get faultsStruck(): number {
    return this.#faults.struck;
  }

  /** What may be found if the power goes now. */
  powerCut(): PowerCut {
    return new PowerCut(this.#root);
  }

  survivor(choices: readonly number[], options: SimDiskOptions = {}): SimDisk {
    return new SimDisk(options, this.powerCut().survivor(choices));
  }

  /** The disks that may be found after a power cut now; each is a disk of its own, and all on it is durable. */
  *survivors(limits: SurvivorLimits, options: SimDiskOptions = {}): Generator<Survivor> {
    const cut = this.powerCut();
    for (const choices of cut.choices(limits)) yield { choices, disk: new SimDisk(options, cut.survivor(choices)) };
  }

  /** A copy as the next process finds it: nothing is lost, what was not durable still is not, and no lock is held. */
  restarted(options: SimDiskOptions = {}): SimDisk {
    return new SimDisk(options, this.#root.clone());
  }

  /** Every file with its path, as the cache shows it. */
  *files(): Generator<{ readonly path: string; readonly bytes: Uint8Array }> {
    yield* filesIn(this.#root);
  }

  async open(path: string, mode: OpenMode, options: OpenOptions = {}): Promise<DiskFile> {
    this.#alive();
    if (mode === "create-new") this.#step("create", path);
    this.#fail("failOpen", "open", path);
    const found = nodeAt(this.#root, "open", path);
    if (found?.kind === "folder") throw diskError("open", path, systemError("EISDIR"));
    if (mode === "create-new" && found !== undefined) throw diskError("open", path, systemError("EEXIST"));
    if (mode !== "create-new" && found === undefined) throw diskError("open", path, systemError("ENOENT"));
    const node = found ?? new SimFileNode();
    if (found === undefined) folderOf(this.#root, "open", path).set(basename(path), node);
    return new SimFile(this.#machine, path, node, mode, options.dataSync === true);
  }

  async readFile(path: string, options: ReadOptions = {}): Promise<Uint8Array> {
    const limitBytes = options.limitBytes ?? defaultReadLimitBytes;
    await using file = await this.open(path, "read");
    const sizeBytes = await file.sizeBytes();
    refuseLarger(path, sizeBytes, limitBytes);
    options.signal?.throwIfAborted();
    const bytes = new Uint8Array(sizeBytes);
    const count = await file.readAt(bytes, 0);
    refuseShort(path, count, sizeBytes);
    return bytes;
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    const found = nodeAt(this.#root, "write", path);
    await using file = await this.open(path, found === undefined ? "create-new" : "read-write");
    if (found !== undefined) await file.truncate(0);
    await file.writeAt([bytes], 0);
  }

  async writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
    const folder = dirname(path);
    const temporary = join(folder, `.${basename(path)}.tmp`);
    await this.remove(temporary);
    try {
      await using file = await this.open(temporary, "create-new");
      await file.writeAt([bytes], 0);
      await file.sync();
      await this.rename(temporary, path);
    } catch (error) {
      await this.remove(temporary).catch(() => undefined);
      throw error;
    }
    await this.syncFolder(folder);
  }

  async rename(from: string, to: string): Promise<void> {
    const operation = `move to ${to} the file`;
    this.#step("rename", from);
    this.#fail("failRename", operation, from);
    const node = nodeAt(this.#root, operation, from);
    if (node === undefined) throw diskError(operation, from, systemError("ENOENT"));
    const [source, target] = [folderOf(this.#root, operation, from), folderOf(this.#root, operation, to)];
    const replaced = target.entries.get(basename(to));
    if (replaced === node) return;
    if (replaced !== undefined && replaced.kind !== node.kind)
      throw diskError(operation, from, systemError(node.kind === "file" ? "EISDIR" : "ENOTDIR"));
    if (replaced?.kind === "folder" && replaced.entries.size > 0)
      throw diskError(operation, from, systemError("ENOTEMPTY"));
    target.set(basename(to), node);
    source.set(basename(from), undefined);
  }

  async remove(path: string): Promise<void> {
    this.#alive();
    const node = nodeAt(this.#root, "remove", path);
    if (node === undefined) return;
    this.#step("remove", path);
    this.#fail("failRemove", "remove", path);
    if (node.kind === "folder") throw diskError("remove", path, systemError("EISDIR"));
    folderOf(this.#root, "remove", path).set(basename(path), undefined);
  }

  async list(path: string): Promise<FolderEntry[]> {
    this.#alive();
    this.#fail("failList", "list", path);
    const folder = folderAt(this.#root, "list", path);
    const entries = [...folder.entries].map(([name, { kind }]): FolderEntry => ({ name, kind }));
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async stat(path: string): Promise<FileStat | undefined> {
    this.#alive();
    const node = nodeAt(this.#root, "stat", path);
    if (node === undefined) return undefined;
    return { kind: node.kind, sizeBytes: node.kind === "file" ? node.sizeBytes : 0, modifiedMs: 0 };
  }

  async makeFolder(path: string): Promise<void> {
    this.#alive();
    let folder = this.#root;
    let above = "/";
    let isDoubtful = true;
    for (const name of namesOf(path)) {
      const found = folder.entries.get(name);
      if (found?.kind === "file") throw diskError("make the folder", path, systemError("ENOTDIR"));
      if (found === undefined) {
        // As the real one: the last that is there may have been made by a process that was killed before it synced.
        if (isDoubtful && above !== "/") await this.syncFolder(dirname(above));
        isDoubtful = false;
        this.#step("make folder", join(above, name));
        folder.set(name, new SimFolderNode());
        await this.syncFolder(above);
      }
      folder = folder.entries.get(name) as SimFolderNode;
      above = join(above, name);
    }
    if (isDoubtful && above !== "/") await this.syncFolder(dirname(above));
  }

  async syncFolder(path: string): Promise<void> {
    this.#alive();
    const folder = folderAt(this.#root, "sync the folder", path);
    this.#step("sync folder", path);
    const failing = this.#faults.strikes("failSyncFolder", path);
    if (failing === undefined) return folder.sync();
    if (failing.options.lies === true) folder.loseTrack();
    throw faultError("sync the folder", path, failing);
  }

  async lock(path: string): Promise<DiskLock> {
    this.#alive();
    folderOf(this.#root, "lock", path);
    const whole = resolve(path);
    if (this.#locks.has(whole)) {
      throw new HoldfastError("DISK_LOCKED", `cannot lock ${path}: this process holds it`, {
        hint: "Wait for that process to end, or choose another folder.",
        retryable: true,
        details: { path, pid: process.pid },
      });
    }
    this.#locks.add(whole);
    const release = async (): Promise<void> => void this.#locks.delete(whole);
    return { path, release, [Symbol.asyncDispose]: release };
  }

  async freeSpace(_path: string): Promise<FreeSpace> {
    return { freeBytes: Math.min(totalBytes, this.#roomBytes()), totalBytes };
  }

  async mountOf(_path: string): Promise<Mount | undefined> {
    return this.#options.mount;
  }

  #step(operation: string, path: string): void {
    this.#alive();
    this.#lastStep = `${operation} ${path}`;
    if (this.steps + 1 >= this.#crashAt) this.#crashed = true;
    this.#alive();
    this.beforeStep?.(this.steps + 1);
    this.steps++;
  }

  #alive(): void {
    if (this.#crashed) throw new SimCrash();
  }

  #fail(kind: "failOpen" | "failList" | "failRename" | "failRemove", operation: string, path: string): void {
    const failing = this.#faults.strikes(kind, path);
    if (failing !== undefined) throw faultError(operation, path, failing);
  }

  #roomBytes(): number {
    const { spaceBytes } = this.#faults;
    if (spaceBytes === Number.POSITIVE_INFINITY) return spaceBytes;
    let used = 0;
    for (const { bytes } of this.files()) used += bytes.length;
    return Math.max(0, spaceBytes - used);
  }
}
