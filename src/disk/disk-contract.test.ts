/** What every disk does alike: the same cases on the real one and on the simulated one. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { utf8, utf8Text } from "../base/index.ts";
import { type Disk, NodeDisk, SimDisk } from "./index.ts";

const disks: readonly [string, () => Promise<{ disk: Disk; folder: string }>][] = [
  ["real", async () => ({ disk: new NodeDisk(), folder: mkdtempSync(join(tmpdir(), "holdfast-disk-")) })],
  [
    "simulated",
    async () => {
      const disk = new SimDisk();
      await disk.makeFolder("/some/folder");
      return { disk, folder: "/some/folder" };
    },
  ],
];

describe.each(disks)("the %s disk", (_name, newDisk) => {
  it("reads what was written in parts, at places, with zeros in the gaps", async () => {
    const { disk, folder } = await newDisk();
    const path = join(folder, "file");
    await using file = await disk.open(path, "create-new");
    await file.writeAt([utf8("ab"), new Uint8Array(0), utf8("cd")], 3);
    await file.writeAt([utf8("X")], 4);
    await file.fillZero(7, 2_000);
    await file.sync();
    expect(await file.sizeBytes()).toBe(2_000);
    const all = await disk.readFile(path);
    expect(utf8Text(all.subarray(0, 8))).toBe("\0\0\0aXcd\0");
    expect(all.subarray(7).every((byte) => byte === 0)).toBe(true);
    const few = new Uint8Array(10);
    expect(await file.readAt(few, 1_995)).toBe(5);
    expect(await file.readAt(few, 5_000)).toBe(0);
    expect([file.readNow(few, 1_995), file.readNow(few, 5_000)]).toEqual([5, 0]);
  });

  it("cuts files and grows them again with zeros", async () => {
    const { disk, folder } = await newDisk();
    const path = join(folder, "file");
    await disk.writeFile(path, utf8("0123456789"));
    await using file = await disk.open(path, "read-write", { dataSync: true });
    await file.truncate(4);
    await file.truncate(6);
    expect(utf8Text(await disk.readFile(path))).toBe("0123\0\0");
  });

  it("replaces files whole, moves them over others, and lists what is left in order", async () => {
    const { disk, folder } = await newDisk();
    const at = (name: string): string => join(folder, name);
    await disk.writeFileAtomic(at("b"), utf8("old"));
    await disk.writeFileAtomic(at("b"), utf8("new"));
    await disk.writeFile(at("c"), utf8("a longer one"));
    await disk.writeFile(at("c"), utf8("short"));
    await disk.writeFile(at("a"), utf8("first"));
    await disk.makeFolder(at("d/e"));
    await disk.rename(at("c"), at("b"));
    await disk.rename(at("d"), at("f"));
    await disk.remove(at("a"));
    await disk.remove(at("a"));
    await disk.syncFolder(folder);
    expect(utf8Text(await disk.readFile(at("b")))).toBe("short");
    expect(await disk.list(folder)).toEqual([
      { name: "b", kind: "file" },
      { name: "f", kind: "folder" },
    ]);
    expect(await disk.list(at("f"))).toEqual([{ name: "e", kind: "folder" }]);
    expect(await disk.stat(at("b"))).toMatchObject({ kind: "file", sizeBytes: 5 });
    expect(await disk.stat(at("f/e"))).toMatchObject({ kind: "folder" });
    expect(await disk.stat(at("a"))).toBeUndefined();
  });

  it("reads a file on through a handle that was opened before it was moved or removed", async () => {
    const { disk, folder } = await newDisk();
    await disk.writeFile(join(folder, "a"), utf8("kept"));
    await using file = await disk.open(join(folder, "a"), "read");
    await disk.rename(join(folder, "a"), join(folder, "b"));
    await disk.remove(join(folder, "b"));
    const bytes = new Uint8Array(4);
    expect(await file.readAt(bytes, 0)).toBe(4);
    expect(utf8Text(bytes)).toBe("kept");
  });

  it("says with the same codes what is missing, in the way, too large, closed or not for writing", async () => {
    const { disk, folder } = await newDisk();
    const file = join(folder, "file");
    const missing = join(folder, "missing");
    await disk.writeFile(file, utf8("12345"));
    const notFound = { code: "DISK_NOT_FOUND", details: { path: missing } };
    await expect(disk.readFile(missing)).rejects.toMatchObject(notFound);
    await expect(disk.open(missing, "read-write")).rejects.toMatchObject(notFound);
    await expect(disk.rename(missing, file)).rejects.toMatchObject(notFound);
    await expect(disk.list(missing)).rejects.toMatchObject(notFound);
    await expect(disk.syncFolder(missing)).rejects.toMatchObject(notFound);
    await expect(disk.open(file, "create-new")).rejects.toMatchObject({ code: "DISK_EXISTS" });
    await expect(disk.readFile(file, { limitBytes: 4 })).rejects.toMatchObject({ code: "DISK_TOO_LARGE" });
    await expect(disk.readFile(folder)).rejects.toMatchObject({ code: "DISK_NOT_A_FILE" });
    await expect(disk.makeFolder(join(file, "below"))).rejects.toMatchObject({ code: "DISK_NOT_A_FOLDER" });
    await expect(disk.open(join(file, "below"), "read")).rejects.toMatchObject({ code: "DISK_NOT_A_FOLDER" });
    await expect(disk.list(file)).rejects.toMatchObject({ code: "DISK_NOT_A_FOLDER" });
    await disk.makeFolder(join(folder, "empty"));
    await expect(disk.rename(file, join(folder, "empty"))).rejects.toMatchObject({ code: "DISK_NOT_A_FILE" });
    const open = await disk.open(file, "read");
    await expect(open.writeAt([utf8("x")], 0)).rejects.toMatchObject({ code: "DISK_FAILED" });
    await open.close();
    await open.close();
    await expect(open.readAt(new Uint8Array(1), 0)).rejects.toMatchObject({ code: "DISK_CLOSED" });
    expect(() => open.readNow(new Uint8Array(1), 0)).toThrow("DISK_CLOSED");
  });

  it("locks a path for one holder at a time", async () => {
    const { disk, folder } = await newDisk();
    const path = join(folder, "state");
    const lock = await disk.lock(path);
    await expect(disk.lock(path)).rejects.toMatchObject({ code: "DISK_LOCKED", details: { pid: process.pid } });
    await lock.release();
    await (await disk.lock(path)).release();
    await expect(disk.lock(join(folder, "missing", "state"))).rejects.toMatchObject({ code: "DISK_NOT_FOUND" });
  });

  it("knows how much space is free", async () => {
    const { disk, folder } = await newDisk();
    const { freeBytes, totalBytes } = await disk.freeSpace(folder);
    expect(freeBytes).toBeGreaterThan(0);
    expect(freeBytes).toBeLessThanOrEqual(totalBytes);
  });
});
