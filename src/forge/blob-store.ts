/**
 * Bytes kept under their own SHA-256. What is read back is checked against its name, so damage is never delivered.
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { HoldfastError } from "../base/index.ts";
import type { Disk } from "../disk/index.ts";

export function hashHex(...parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

export class BlobStore {
  readonly #disk: Disk;
  readonly #folder: string;

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  async open(): Promise<void> {
    await this.#disk.makeFolder(this.#folder);
    for (const { name } of await this.#disk.list(this.#folder)) {
      if (/^\.[0-9a-f]{64}\..*\.tmp$/.test(name)) await this.#disk.remove(join(this.#folder, name));
    }
  }

  /** Durable when this resolves, with the hash. */
  async put(bytes: Uint8Array): Promise<string> {
    const hash = hashHex(bytes);
    const path = join(this.#folder, hash);
    const found = await this.#disk.stat(path);
    if (found?.sizeBytes !== bytes.length || (await this.get(hash)) === undefined) {
      await this.#disk.writeFileAtomic(path, bytes);
    }
    return hash;
  }

  /** undefined where it is missing or damaged. */
  async get(hash: string): Promise<Uint8Array | undefined> {
    try {
      const bytes = await this.#disk.readFile(join(this.#folder, hash));
      return hashHex(bytes) === hash ? bytes : undefined;
    } catch (error) {
      if (HoldfastError.is(error) && error.code === "DISK_NOT_FOUND") return undefined;
      throw error;
    }
  }
}
