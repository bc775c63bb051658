/** An open segment file: its ends are checked, its sections can be read, each checked against the table. */

import { join } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import type { Disk, DiskFile } from "../../disk/index.ts";
import { checksumAt } from "../little-endian.ts";
import { corruptError, damageOf, versionError } from "./damage.ts";
import { decodeTable, decodeTail, isTable, type Tail } from "./footer.ts";
import { formatVersion, headerBytes, type Section, sectionName, tableRowBytes, tailBytes } from "./format.ts";

/** One read of the end brings tail, table and, most often, properties. */
const endBytes = 4_096;

export interface SegmentFileOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly name: string;
  readonly fileId: number;
  /** From the manifest: with these, a file that was swapped for another or an older one is told apart. */
  readonly expected?: { readonly sizeBytes: number; readonly checksum: number } | undefined;
  /** Told of damage that is found once the file is open, beside the error that the reader gets. Must not throw. */
  readonly onDamage?: ((error: HoldfastError) => void) | undefined;
}

export class SegmentFile {
  readonly path: string;
  readonly fileId: number;
  readonly sizeBytes: number;
  readonly checksum: number;
  readonly sections: readonly Section[];
  readonly #file: DiskFile;
  readonly #onDamage: SegmentFileOptions["onDamage"];
  readonly #reads = new Set<Promise<unknown>>();
  #isClosed = false;

  private constructor(
    file: DiskFile,
    tail: Tail,
    checksum: number,
    sections: readonly Section[],
    onDamage: SegmentFileOptions["onDamage"],
  ) {
    this.#file = file;
    this.#onDamage = onDamage;
    this.path = file.path;
    this.fileId = tail.fileId;
    this.sizeBytes = tail.sizeBytes;
    this.checksum = checksum;
    this.sections = sections;
  }

  static async open(options: SegmentFileOptions): Promise<SegmentFile> {
    const file = await options.disk.open(join(options.folder, options.name), "read");
    try {
      return await SegmentFile.#read(file, options);
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
  }

  static async #read(file: DiskFile, { fileId, expected, onDamage }: SegmentFileOptions): Promise<SegmentFile> {
    const { path } = file;
    const sizeBytes = await file.sizeBytes();
    if (sizeBytes < headerBytes + tailBytes)
      throw corruptError({ path, offset: 0, section: "tail", reason: `the file has ${sizeBytes} bytes only` });
    const tailAt = sizeBytes - tailBytes;
    const bad = (reason: string, offset = tailAt, section = "tail"): HoldfastError =>
      corruptError({ path, offset, section, reason });
    const endAt = Math.max(0, sizeBytes - endBytes);
    const end = await readExactly(file, endAt, sizeBytes - endAt, "tail");
    const tailBytesRead = end.subarray(tailAt - endAt);
    const tail = decodeTail(tailBytesRead);
    if (typeof tail === "string") throw bad(tail);
    if ("version" in tail) throw versionError(path, tail.version, formatVersion);
    const checksum = new DataView(end.buffer, end.byteOffset + tailAt - endAt).getUint32(0, true);
    if (tail.sizeBytes !== sizeBytes) throw bad(`the file has ${sizeBytes} bytes instead of ${tail.sizeBytes}`);
    if (tail.fileId !== fileId) throw bad(`the file is number ${tail.fileId} instead of ${fileId}`);
    if (expected !== undefined && (expected.sizeBytes !== sizeBytes || expected.checksum !== checksum))
      throw bad("the file is not the one that the manifest names");
    const tableAt = tailAt - tableRowBytes * tail.sections;
    if (tableAt < headerBytes) throw bad("the section table does not fit");
    const table =
      tableAt >= endAt
        ? end.subarray(tableAt - endAt, tailAt - endAt)
        : await readExactly(file, tableAt, tailAt - tableAt, "section table");
    if (!isTable(table, fileId, tableAt, tail.tableChecksum))
      throw bad("the checksum of the section table is wrong", tableAt, "section table");
    const sections = decodeTable(table, tableAt);
    if (typeof sections === "string") throw bad(sections, tableAt, "section table");
    return new SegmentFile(file, tail, checksum, sections, onDamage);
  }

  /** Throws STORE_SEGMENT_CORRUPT where a section that every segment has is not there. */
  sectionOf(type: number): Section {
    const section = this.sections.find((one) => one.type === type);
    if (section !== undefined) return section;
    const offset = this.sizeBytes - tailBytes;
    throw corruptError({ path: this.path, offset, section: sectionName(type), reason: "there is no such section" });
  }

  /** The bytes of a section, which begin a buffer of their own. */
  async readSection(section: Section): Promise<Uint8Array> {
    const bytes = await this.read(section.offset, section.lengthBytes, sectionName(section.type));
    this.check(section, bytes);
    return bytes;
  }

  check({ type, offset, checksum }: Section, bytes: Uint8Array): void {
    const isWhole = checksumAt(this.fileId, offset, bytes) === checksum;
    if (!isWhole) throw this.damaged(type, offset, "its checksum is wrong"); // mutant: section-checksum
  }

  damaged(type: number, offset: number, reason: string): HoldfastError {
    return this.told(corruptError({ path: this.path, offset, section: sectionName(type), reason }));
  }

  /** The error, of which whoever keeps the file is told. */
  told(error: HoldfastError): HoldfastError {
    this.#onDamage?.(error);
    return error;
  }

  /** So many bytes from there on: all of them, or an error. */
  async read(offset: number, lengthBytes: number, section: string): Promise<Uint8Array> {
    if (this.#isClosed) throw this.#closedError();
    const reading = readExactly(this.#file, offset, lengthBytes, section);
    this.#reads.add(reading);
    try {
      return await reading;
    } catch (error) {
      if (HoldfastError.is(error) && damageOf(error) !== undefined) this.told(error);
      throw error;
    } finally {
      this.#reads.delete(reading);
    }
  }

  /** As `read`, on the caller's thread. */
  readNow(offset: number, lengthBytes: number, section: string): Uint8Array {
    if (this.#isClosed) throw this.#closedError();
    const bytes = unfilled(lengthBytes);
    return whole(this.#file, bytes, this.#file.readNow(bytes, offset), offset, section);
  }

  /** Waits for reads that are under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#reads);
    await this.#file.close();
  }

  #closedError(): HoldfastError {
    return new HoldfastError("STORE_CLOSED", `${this.path} is closed`, { details: { path: this.path } });
  }
}

async function readExactly(file: DiskFile, offset: number, lengthBytes: number, section: string): Promise<Uint8Array> {
  const bytes = unfilled(lengthBytes);
  return whole(file, bytes, await file.readAt(bytes, offset), offset, section);
}

function whole(file: DiskFile, bytes: Uint8Array, count: number, offset: number, section: string): Uint8Array {
  if (count === bytes.length) return bytes;
  throw corruptError({ path: file.path, offset: offset + count, section, reason: "the file ends too early" });
}

/** Not zeroed: either all of it is read into, or nobody sees it. */
function unfilled(lengthBytes: number): Uint8Array {
  const { buffer } = Buffer.allocUnsafeSlow(lengthBytes);
  return new Uint8Array(buffer, 0, lengthBytes);
}
