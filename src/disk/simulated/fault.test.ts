import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { utf8, utf8Text } from "../../base/index.ts";
import { faults, SimDisk } from "../index.ts";

const { bitRot, failRead, failSync, failSyncFolder, failWrite, misdirectedWrite, noSpaceAfter, shortRead } = faults;

async function survivorsOf(disk: SimDisk, path: string): Promise<Set<string>> {
  const found = new Set<string>();
  for (const { disk: survivor } of disk.survivors({ limit: 1_000, random: () => 0 }))
    found.add((await survivor.stat(path)) === undefined ? "-" : utf8Text(await survivor.readFile(path)));
  return found;
}

describe("faults", () => {
  it("print as the expression that makes them", () => {
    expect(String(failSync({ path: /1\.wal$/, occurrence: 2, lies: true }))).toBe(
      "failSync({ path: /1\\.wal$/, occurrence: 2, lies: true })",
    );
    expect(inspect([bitRot({ path: /a/, offset: 7, bit: 3 })])).toBe("[ bitRot({ path: /a/, offset: 7, bit: 3 }) ]");
    expect(String(noSpaceAfter(4_096))).toBe("noSpaceAfter(4096)");
    expect(String(failWrite())).toBe("failWrite()");
  });

  it("strike the operation they wait for, once, with the error that the system would give", async () => {
    const disk = new SimDisk({ faults: [failWrite({ path: /b$/, occurrence: 2, bytes: 1, code: "EIO" })] });
    await disk.writeFile("/a", utf8("aa"));
    await disk.writeFile("/b", utf8("bb"));
    await using file = await disk.open("/b", "read-write");
    await expect(file.writeAt([utf8("cc")], 0)).rejects.toMatchObject({
      code: "DISK_IO",
      details: { operation: "write", path: "/b", system: "EIO" },
    });
    expect(utf8Text(await disk.readFile("/b"))).toBe("cb");
    await file.writeAt([utf8("dd")], 0);
    expect(disk.faultsStruck).toBe(1);
  });

  it("strike for ever where they are told to", async () => {
    const disk = new SimDisk({ faults: [failRead({ forever: true })] });
    await disk.writeFile("/a", utf8("a"));
    for (let time = 0; time < 3; time++) await expect(disk.readFile("/a")).rejects.toMatchObject({ code: "DISK_IO" });
  });

  it("C1: a sync that fails and lies loses what it was to save, though the next sync succeeds", async () => {
    const disk = new SimDisk({ faults: [failSync({ path: /file$/, occurrence: 2, lies: true })] });
    await disk.writeFileAtomic("/file", utf8("--------"));
    const honest = new SimDisk({ faults: [failSync({ path: /file$/, occurrence: 1 })] });
    await honest.writeFile("/file", utf8("--------"));
    await honest.syncFolder("/");
    await using file = await disk.open("/file", "read-write");
    await file.syncData();
    await file.writeAt([utf8("lost")], 0);
    await expect(file.syncData()).rejects.toMatchObject({ code: "DISK_IO" });
    await file.syncData();
    expect(utf8Text(await disk.readFile("/file"))).toBe("lost----");
    expect(await survivorsOf(disk, "/file")).toEqual(new Set(["--------"]));
    await using other = await honest.open("/file", "read-write");
    await expect(other.syncData()).rejects.toMatchObject({ code: "DISK_IO" });
    await other.syncData();
    expect(await survivorsOf(honest, "/file")).toEqual(new Set(["--------"]));
  });

  it("C1: a lost extension stays lost, and later writes behind it leave zeros before them", async () => {
    const disk = new SimDisk({ faults: [failSync({ lies: true })] });
    await using file = await disk.open("/file", "create-new");
    await disk.syncFolder("/");
    await file.writeAt([new Uint8Array(512).fill(0x61)], 0);
    await expect(file.syncData()).rejects.toMatchObject({ code: "DISK_IO" });
    expect(await survivorsOf(disk, "/file")).toEqual(new Set([""]));
    await file.writeAt([utf8("b")], 512);
    await file.syncData();
    expect(await survivorsOf(disk, "/file")).toEqual(new Set([`${"\0".repeat(512)}b`]));
  });

  it("a folder's sync fails in the same way", async () => {
    const disk = new SimDisk({ faults: [failSyncFolder({ lies: true })] });
    await (await disk.open("/file", "create-new")).sync();
    await expect(disk.syncFolder("/")).rejects.toMatchObject({ code: "DISK_IO", details: { path: "/" } });
    await disk.syncFolder("/");
    expect(await survivorsOf(disk, "/file")).toEqual(new Set(["-"]));
  });

  it("space ends at a byte: a part is written, the rest is refused, and what is there can be overwritten", async () => {
    const disk = new SimDisk({ faults: [noSpaceAfter(10)] });
    await disk.writeFile("/a", utf8("12345678"));
    await expect(disk.writeFile("/b", utf8("abcd"))).rejects.toMatchObject({ code: "DISK_FULL", retryable: true });
    expect(utf8Text(await disk.readFile("/b"))).toBe("ab");
    expect((await disk.freeSpace("/")).freeBytes).toBe(0);
    await (await disk.open("/a", "read-write")).writeAt([utf8("x")], 7);
    await disk.remove("/b");
    expect((await disk.freeSpace("/")).freeBytes).toBe(2);
  });

  it("bits rot where they are read, writes land elsewhere, reads end early", async () => {
    const rot = bitRot({ path: /a/, offset: 2, bit: 0 });
    const disk = new SimDisk({ faults: [rot, misdirectedWrite({ path: /b/, occurrence: 2, offset: 4 })] });
    await disk.writeFile("/a", utf8("aaaa"));
    expect(utf8Text(await disk.readFile("/a"))).toBe("aa`a");
    await using file = await disk.open("/b", "create-new");
    await file.writeAt([utf8("bbbbbb")], 0);
    await file.writeAt([utf8("X")], 0);
    expect(utf8Text(await disk.readFile("/b"))).toBe("bbbbXb");
    const short = new SimDisk({ faults: [shortRead({ occurrence: 2, bytes: 1 })] });
    await short.writeFile("/a", utf8("abc"));
    expect(utf8Text(await short.readFile("/a"))).toBe("abc");
    await expect(short.readFile("/a")).rejects.toMatchObject({ code: "DISK_IO", retryable: true });
  });
});
