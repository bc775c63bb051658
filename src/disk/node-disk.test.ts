import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { utf8, utf8Text } from "../base/index.ts";
import { NodeDisk } from "./index.ts";

const disk = new NodeDisk();
const newFolder = (): string => mkdtempSync(join(tmpdir(), "holdfast-disk-"));

describe("files", () => {
  it("are written in parts at a place, more parts than one system call takes, and read back", async () => {
    const path = join(newFolder(), "file");
    const parts = Array.from({ length: 2_500 }, (_, place) => utf8(`${place},`));
    await using file = await disk.open(path, "create-new");
    await file.writeAt([utf8("head:"), ...parts], 0);
    await file.syncData();
    expect(utf8Text(await disk.readFile(path))).toBe(`head:${parts.map((part) => utf8Text(part)).join("")}`);
    await file.truncate(5);
    expect(await file.readAt(new Uint8Array(100), 2)).toBe(3);
  });

  it("are replaced whole, and nothing else is left in the folder", async () => {
    const folder = newFolder();
    const path = join(folder, "file");
    await disk.writeFileAtomic(path, utf8("old"));
    await disk.writeFileAtomic(path, utf8("new"));
    expect(utf8Text(await disk.readFile(path))).toBe("new");
    expect(await disk.list(folder)).toEqual([{ name: "file", kind: "file" }]);
  });

  it("that are missing, in the way or too large say so with a code, the path and a hint", async () => {
    const folder = newFolder();
    const missing = join(folder, "missing");
    await expect(disk.readFile(missing)).rejects.toMatchObject({ code: "DISK_NOT_FOUND", details: { path: missing } });
    await disk.writeFile(missing, utf8("12345"));
    await expect(disk.open(missing, "create-new")).rejects.toMatchObject({ code: "DISK_EXISTS" });
    await expect(disk.readFile(missing, { limitBytes: 4 })).rejects.toMatchObject({ code: "DISK_TOO_LARGE" });
    await expect(disk.makeFolder(join(missing, "below"))).rejects.toMatchObject({ code: "DISK_NOT_A_FOLDER" });
    expect(await disk.stat(join(folder, "nothing"))).toBeUndefined();
  });
});

describe("locks", () => {
  it("of a living process name its pid; of a killed one they are taken over, by one taker alone", async () => {
    const path = join(newFolder(), "state");
    const source = `import { NodeDisk } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
      await new NodeDisk().lock(${JSON.stringify(path)}); console.log("held"); setInterval(() => 0, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", source]);
    await new Promise((resolve) => child.stdout.once("data", resolve));
    await expect(disk.lock(path)).rejects.toMatchObject({ code: "DISK_LOCKED", details: { pid: child.pid } });
    const gone = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await gone;
    const takers = await Promise.allSettled(Array.from({ length: 8 }, () => disk.lock(path)));
    const won = takers.filter((taker) => taker.status === "fulfilled");
    expect(won.length).toBe(1);
    await won[0]?.value.release();
    await (await disk.lock(path)).release();
  });
});
