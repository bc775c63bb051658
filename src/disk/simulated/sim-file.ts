/** An open file of a simulated disk. */

import { HoldfastError } from "../../base/index.ts";
import type { DiskFile, OpenMode } from "../disk.ts";
import { diskError, systemError } from "../disk-error.ts";
import type { Fault, FaultPlan, Strike } from "./fault.ts";
import type { SimFileNode } from "./sim-node.ts";

/** What a file needs of its disk. */
export interface SimMachine {
  readonly faults: FaultPlan;
  /** Throws SimCrash where the power went before this step. */
  step(operation: string, path: string): void;
  /** Throws SimCrash where the power is gone. */
  alive(): void;
  /** How far all files together may still grow. */
  roomBytes(): number;
}

export class SimFile implements DiskFile {
  readonly path: string;
  readonly #machine: SimMachine;
  readonly #node: SimFileNode;
  readonly #mode: OpenMode;
  readonly #dataSync: boolean;
  #open = true;

  constructor(machine: SimMachine, path: string, node: SimFileNode, mode: OpenMode, dataSync: boolean) {
    this.path = path;
    this.#machine = machine;
    this.#node = node;
    this.#mode = mode;
    this.#dataSync = dataSync;
  }

  async sizeBytes(): Promise<number> {
    this.#ready("stat");
    return this.#node.sizeBytes;
  }

  async readAt(target: Uint8Array, offset: number): Promise<number> {
    return this.readNow(target, offset);
  }

  readNow(target: Uint8Array, offset: number): number {
    this.#ready("read");
    const { faults } = this.#machine;
    const failing = faults.strikes("failRead", this.path);
    if (failing !== undefined) throw faultError("read", this.path, failing);
    const short = faults.strikes("shortRead", this.path);
    const wanted = short === undefined ? target : target.subarray(0, Math.min(target.length, short.options.bytes ?? 0));
    const count = this.#node.read(wanted, offset);
    faults.rot(this.path, wanted.subarray(0, count), offset);
    return count;
  }

  async writeAt(parts: readonly Uint8Array[], offset: number): Promise<void> {
    this.#writable("write");
    const bytes = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
    this.#machine.step("write", this.path);
    const { faults } = this.#machine;
    const failing = faults.strikes("failWrite", this.path);
    if (failing !== undefined) {
      this.#node.write(bytes.subarray(0, failing.options.bytes ?? 0), offset);
      throw faultError("write", this.path, failing);
    }
    const astray = faults.strikes("misdirectedWrite", this.path);
    this.#write(bytes, astray?.options.offset ?? offset);
    if (this.#dataSync) this.#sync();
  }

  async fillZero(from: number, to: number): Promise<void> {
    if (to > from) await this.writeAt([new Uint8Array(to - from)], from);
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#writable("truncate");
    this.#machine.step("truncate", this.path);
    const failing = this.#machine.faults.strikes("failTruncate", this.path);
    if (failing !== undefined) throw faultError("truncate", this.path, failing);
    this.#node.truncate(sizeBytes);
  }

  async syncData(): Promise<void> {
    this.#ready("sync");
    this.#sync();
  }

  async sync(): Promise<void> {
    this.#ready("sync");
    this.#sync();
  }

  async close(): Promise<void> {
    this.#open = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #sync(): void {
    this.#machine.step("sync", this.path);
    const failing = this.#machine.faults.strikes("failSync", this.path);
    if (failing === undefined) return this.#node.sync();
    if (failing.options.lies === true) this.#node.loseTrack();
    throw faultError("sync", this.path, failing);
  }

  #write(bytes: Uint8Array, offset: number): void {
    const growth = offset + bytes.length - this.#node.sizeBytes;
    const missing = growth <= 0 ? 0 : growth - this.#machine.roomBytes();
    if (missing <= 0) return this.#node.write(bytes, offset);
    this.#node.write(bytes.subarray(0, Math.max(0, bytes.length - missing)), offset);
    this.#machine.faults.struck++;
    throw diskError("write", this.path, systemError("ENOSPC"));
  }

  #ready(operation: string): void {
    this.#machine.alive();
    if (!this.#open) throw new HoldfastError("DISK_CLOSED", `cannot ${operation} ${this.path}: closed`);
  }

  #writable(operation: string): void {
    this.#ready(operation);
    if (this.#mode === "read") throw diskError(operation, this.path, systemError("EBADF"));
  }
}

export function faultError(operation: string, path: string, fault: Fault): HoldfastError {
  return diskError(operation, path, systemError((fault.options as Strike).code ?? "EIO"));
}
