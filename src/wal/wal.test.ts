import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { HoldfastError, hexOf, utf8, utf8Text } from "../base/index.ts";
import { type Disk, type DiskFile, NodeDisk } from "../disk/index.ts";
import { entryType, frameHeaderBytes, hashOf } from "./frame.ts";
import { openWal, readWal, type Wal, type WalEntry } from "./index.ts";
import { merkleLeaf, merkleRoot } from "./merkle.ts";
import { logFilePath } from "./segment-name.ts";

const disk = new NodeDisk();
const newFolder = (): string => mkdtempSync(join(tmpdir(), "holdfast-wal-"));

async function reopen(
  folder: string,
  more: { disk?: Disk; fileLimitBytes?: number } = {},
): Promise<{ wal: Wal; texts: string[] }> {
  const texts: string[] = [];
  const wal = await openWal({ disk, folder, onEntry: (entry) => texts.push(utf8Text(entry.payload)), ...more });
  return { wal, texts };
}

async function textsOf(folder: string): Promise<string[]> {
  const { wal, texts } = await reopen(folder);
  await wal.close();
  return texts;
}

/** A log of single entries, each its own write and sync. */
async function written(folder: string, texts: readonly string[]): Promise<Uint8Array> {
  const { wal } = await reopen(folder);
  for (const text of texts) await wal.append(utf8(text));
  await wal.close();
  return await disk.readFile(logFilePath(folder, 1));
}

/** A disk whose files count their syncs, hold them back, or fail them. */
function watchedDisk(onSync: () => Promise<void>): Disk {
  return new Proxy(disk, {
    get(target, name) {
      if (name !== "open") return (target[name as keyof Disk] as () => unknown).bind(target);
      return async (path: string, mode: "read"): Promise<DiskFile> => {
        const file = await target.open(path, mode);
        file.syncData = async () => {
          await onSync();
          await Object.getPrototypeOf(file).syncData.call(file);
        };
        return file;
      };
    },
  });
}

describe("frames", () => {
  it("W1: have the header of the format, byte by byte", async () => {
    const folder = newFolder();
    const bytes = await written(folder, ["hello"]);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const at = frameHeaderBytes;
    expect(utf8Text(bytes.subarray(at, at + 8))).toBe("ESPERWAL");
    expect(view.getUint32(at + 8, true)).toBe(2);
    expect(view.getUint32(at + 12, true)).toBe(0x12345678);
    expect(hexOf(bytes.subarray(at + 16, at + 32))).toBe("00".repeat(16));
    expect(view.getBigUint64(at + 32, true)).toBe(2n);
    expect(view.getBigUint64(at + 40, true)).toBe(view.getBigUint64(40, true));
    expect(Number(view.getBigUint64(at + 48, true) / 1_000_000_000n)).toBeGreaterThan(1_600_000_000);
    expect(view.getUint32(at + 56, true)).toBe(entryType.record);
    expect(view.getBigUint64(at + 60, true)).toBe(5n);
    expect(bytes.subarray(at + 68, at + 100)).toEqual(hashOf(utf8("hello")));
    expect(view.getBigUint64(at + 100, true)).toBe(768n);
    const header = bytes.slice(at, at + 256);
    header.fill(0, 108, 112);
    expect(view.getUint32(at + 108, true)).toBe(crc32(header));
    expect(bytes.subarray(at + 112, at + 144)).toEqual(hashOf(bytes.subarray(0, 256)));
    expect(view.getBigUint64(at + 144, true)).toBe(256n);
    expect(view.getBigUint64(at + 160, true)).toBe(1n);
    expect(utf8Text(bytes.subarray(at + 256, at + 261))).toBe("hello");
    expect(bytes.length).toBe(768);
  });

  it("W1: of another version are refused by name", async () => {
    const folder = newFolder();
    const bytes = await written(folder, ["hello"]);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    view.setUint32(8, 3, true);
    view.setUint32(108, 0, true);
    view.setUint32(108, crc32(bytes.subarray(0, 256)), true);
    await disk.writeFile(logFilePath(folder, 1), bytes);
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_VERSION" });
  });
});

describe("durability", () => {
  it("W3: an entry is acknowledged only after its sync, and waiting writers share one", async () => {
    const folder = newFolder();
    let syncs = 0;
    let hold = Promise.withResolvers<void>();
    const watched = watchedDisk(async () => {
      syncs++;
      await hold.promise;
    });
    const { wal } = await reopen(folder, { disk: watched });
    let acknowledged = 0;
    const appends = Array.from({ length: 10 }, async (_, place) => {
      await wal.append(utf8(String(place)));
      acknowledged++;
    });
    while (syncs === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(acknowledged).toBe(0);
    hold.resolve();
    await Promise.all(appends);
    expect({ acknowledged, syncs }).toEqual({ acknowledged: 10, syncs: 1 });
    hold = Promise.withResolvers();
    hold.resolve();
    await wal.append(utf8("later"));
    expect(syncs).toBe(2);
    await wal.close();
    expect((await textsOf(folder)).length).toBe(11);
  });

  it("W3: after a failed sync nothing is written or acknowledged any more", async () => {
    const folder = newFolder();
    let failing = false;
    const { wal } = await reopen(folder, {
      disk: watchedDisk(async () => {
        if (failing) throw Object.assign(new Error("EIO"), { code: "EIO" });
      }),
    });
    await wal.append(utf8("kept"));
    failing = true;
    await expect(wal.append(utf8("lost"))).rejects.toMatchObject({ code: "WAL_FAILED" });
    failing = false;
    const sizeBytes = (await disk.stat(logFilePath(folder, 1)))?.sizeBytes;
    await expect(wal.append(utf8("later"))).rejects.toMatchObject({ code: "WAL_FAILED" });
    expect((await disk.stat(logFilePath(folder, 1)))?.sizeBytes).toBe(sizeBytes);
    await wal.close();
    expect((await textsOf(folder))[0]).toBe("kept");
  });

  it("a second holder is refused with the pid of the first", async () => {
    const folder = newFolder();
    const { wal } = await reopen(folder);
    await expect(reopen(folder)).rejects.toMatchObject({ code: "DISK_LOCKED", details: { pid: process.pid } });
    await wal.close();
    await (await reopen(folder)).wal.close();
  });

  it("loses nothing acknowledged when its process is killed, again and again", async () => {
    const folder = newFolder();
    for (let round = 0; round < 5; round++) {
      const child = spawn(process.execPath, [new URL("./testing/writer.ts", import.meta.url).pathname, folder]);
      let output = "";
      const enough = Promise.withResolvers<void>();
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk;
        if (output.split("\n").length > 5 + round * 7) enough.resolve();
      });
      let complaint = "";
      child.stderr.on("data", (chunk: Buffer) => (complaint += chunk));
      const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
      await Promise.race([enough.promise, gone]);
      child.kill("SIGKILL");
      await gone;
      expect(complaint).toBe("");
      const last = Number(output.trim().split("\n").at(-1));
      const texts = await textsOf(folder);
      expect(texts.length).toBeGreaterThan(last);
      expect(texts).toEqual(texts.map((_, place) => String(place)));
    }
  }, 30_000);
});

describe("transactions", () => {
  it("W4: only committed ones are replayed, and the Merkle root covers the context", async () => {
    const folder = newFolder();
    const { wal } = await reopen(folder);
    const aborted = wal.begin(utf8("context a"));
    aborted.append(utf8("aborted"));
    const committed = wal.begin(utf8("context b"));
    committed.append(utf8("one"));
    const unfinished = wal.begin(utf8("context c"));
    unfinished.append(utf8("unfinished"));
    committed.append(utf8("two"));
    await aborted.abort();
    await committed.commit();
    await wal.close();
    const found: WalEntry[] = [];
    for await (const entry of readWal(disk, folder)) found.push(entry);
    expect(found.map((entry) => utf8Text(entry.payload))).toEqual(["one", "two"]);
    expect(found.map((entry) => utf8Text(entry.context ?? utf8("")))).toEqual(["context b", "context b"]);
    const { wal: again } = await reopen(folder);
    expect(again.recovery).toMatchObject({ entries: 2, rolledBack: 1 });
    await again.close();
    const leaves = ["context b", "one", "two"].map((text) => merkleLeaf(utf8(text)));
    const bytes = await disk.readFile(logFilePath(folder, 1));
    expect(hexOf(bytes)).toContain(hexOf(merkleRoot(leaves)));
  });
});

describe("recovery", () => {
  it("W6: a tail cut at any byte is truncated, a copy is kept, and the log goes on", async () => {
    const whole = await written(newFolder(), ["a", "b", "c"]);
    for (let size = 256; size < whole.length; size += 37) {
      const folder = newFolder();
      await disk.writeFile(logFilePath(folder, 1), whole.subarray(0, size));
      const { wal, texts } = await reopen(folder);
      expect(texts).toEqual(["a", "b", "c"].slice(0, Math.floor((size - 256) / 512)));
      const torn = wal.recovery.torn;
      if ((size - 256) % 512 !== 0) {
        const copy = await disk.readFile(torn?.copy ?? "");
        expect(copy).toEqual(whole.slice(torn?.offset, size));
      }
      await wal.append(utf8("after"));
      await wal.close();
      expect((await textsOf(folder)).at(-1)).toBe("after");
    }
  });

  it("W6: every flipped byte ends in the right entries or a typed error, and never drops what is acknowledged before more", async () => {
    const texts = ["first", "second", "third"];
    const whole = await written(newFolder(), texts);
    const folder = newFolder();
    const path = logFilePath(folder, 1);
    const lastFrame = whole.length - 512;
    for (let place = 0; place < whole.length; place++) {
      const damaged = whole.slice();
      damaged[place] = (damaged[place] ?? 0) ^ 0x41;
      await disk.writeFile(path, damaged);
      const read: string[] = [];
      try {
        for await (const entry of readWal(disk, folder)) read.push(utf8Text(entry.payload));
        // Only in the last frame is damage the same as a write cut off by a power failure.
        expect(place).toBeGreaterThanOrEqual(lastFrame);
        expect(read).toEqual(texts.slice(0, 2));
      } catch (error) {
        if (!HoldfastError.is(error)) throw error;
        expect(error.code).toBe("WAL_CORRUPT");
        expect(error.details).toEqual({ path, offset: place < 256 ? 0 : 256 + Math.floor((place - 256) / 512) * 512 });
        expect(place).toBeLessThan(lastFrame);
      }
    }
  }, 20_000);

  it("W6: the lost beginning of one unsynced write is a torn tail, not damage", async () => {
    const folder = newFolder();
    const { wal } = await reopen(folder);
    await wal.append(utf8("kept"));
    await Promise.all([wal.append(utf8("x".repeat(2000))), wal.append(utf8("y"))]);
    await wal.close();
    const path = logFilePath(folder, 1);
    const bytes = (await disk.readFile(path)).fill(0, 1024, 2048);
    await disk.writeFile(path, bytes);
    expect(await textsOf(folder)).toEqual(["kept"]);
  });

  it("W5: files rotate, and one that is missing, swapped or cut is damage", async () => {
    const folder = newFolder();
    const { wal } = await reopen(folder, { fileLimitBytes: 2_000 });
    const texts = Array.from({ length: 12 }, (_, place) => `entry ${place}`);
    for (const text of texts) await wal.append(utf8(text));
    await wal.close();
    expect(await textsOf(folder)).toEqual(texts);
    const second = await disk.readFile(logFilePath(folder, 2));
    await disk.writeFile(logFilePath(folder, 2), second.subarray(0, second.length - 512));
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_CORRUPT" });
    await disk.writeFile(logFilePath(folder, 2), await disk.readFile(logFilePath(folder, 3)));
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_CORRUPT" });
    await disk.remove(logFilePath(folder, 2));
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_CORRUPT" });
  });
});
