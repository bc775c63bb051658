/** What stands in the way of opening a store, and what it says: on a real disk, with real processes. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { crc32 } from "../../src/base/index.ts";
import { faults, SimDisk } from "../../src/disk/index.ts";
import { openStore } from "../../src/store/engine/open-store.ts";

let folder: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-opening-"));
});

afterEach(async () => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

/** The first line that a process says which opens the folder. */
async function opener(options: { readonly mode?: string; readonly uid?: number } = {}) {
  const { uid, mode = "" } = options;
  const child = spawn(process.execPath, [join(import.meta.dirname, "opener.ts"), folder, mode], {
    stdio: ["pipe", "pipe", "inherit"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) return { child, line };
  throw new Error("the process said nothing");
}

async function filled(): Promise<void> {
  await using store = await openStore({ folder });
  const notes = await store.collection("notes");
  for (let place = 0; place < 50; place++) await notes.put(`k${place}`, { content: place }, { durability: "visible" });
  await notes.put("last", { content: "x".repeat(10_000) });
  await store.flush();
  await notes.put("later", { content: "in the log" });
}

async function filesIn(): Promise<string> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => !name.includes("store.lock"));
  return JSON.stringify(names.sort());
}

describe("opening a store", () => {
  it("S11: that another process owns is refused with its pid, for reading too", async () => {
    await filled();
    const { child, line } = await opener();
    expect(line).toBe("open");
    for (const readOnly of [false, true]) {
      const refused = openStore({ folder, readOnly });
      await expect(refused).rejects.toMatchObject({
        code: "STORE_LOCKED",
        message: expect.stringContaining(`${child.pid}`),
      });
    }
    child.stdin?.end();
    await new Promise((resolve) => child.once("exit", resolve));
    await (await openStore({ folder, readOnly: true })).close();
  });

  it("S11: whose owner was killed is taken over", async () => {
    await filled();
    const { child } = await opener();
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    await using store = await openStore({ folder });
    expect((await (await store.collection("notes")).get("later"))?.content).toBe("in the log");
  });

  it("S11: for reading changes nothing, answers all, and refuses what would write", async () => {
    await filled();
    const before = await filesIn();
    await using store = await openStore({ folder, readOnly: true });
    const notes = await store.collection("notes");
    expect((await notes.get("last"))?.content).toBe("x".repeat(10_000));
    expect((await notes.get("later"))?.content).toBe("in the log");
    let seen = 0;
    for await (const _ of notes.scan()) seen++;
    expect(seen).toBe(52);
    const refusal = { code: "STORE_READ_ONLY" };
    await expect(notes.put("a", {})).rejects.toMatchObject(refusal);
    await expect(store.flush()).rejects.toMatchObject(refusal);
    await expect(store.collection("new")).rejects.toMatchObject({ code: "STORE_COLLECTION" });
    expect(await filesIn()).toBe(before);
  });

  it("S11: where there is none is no store to read", async () => {
    await expect(openStore({ folder, readOnly: true })).rejects.toMatchObject({ code: "STORE_MISSING" });
    await expect(openStore({ folder: join(folder, "no"), readOnly: true })).rejects.toMatchObject({
      code: "STORE_MISSING",
    });
  });

  it("S11: of a later version is refused, and left as it is", async () => {
    await filled();
    const line = (await readFile(join(folder, "CURRENT"), "latin1")).split("\n")[0]!.replace(/ 1 /, " 2 ").slice(0, -9);
    const text = `${line} ${crc32(Buffer.from(line)).toString(16).padStart(8, "0")}\n`;
    await writeFile(join(folder, "CURRENT"), text + text);
    const before = await filesIn();
    await expect(openStore({ folder })).rejects.toMatchObject({ code: "STORE_VERSION", hint: expect.any(String) });
    expect(await filesIn()).toBe(before);
  });

  it.skipIf(process.getuid?.() !== 0)("S11: without permission is refused with the path", async () => {
    await filled();
    await chmod(folder, 0o700);
    const { line } = await opener({ uid: 65_534 });
    expect(JSON.parse(line)).toMatchObject({ code: "DISK_DENIED", message: expect.stringContaining(folder) });
    await using store = await openStore({ folder });
    expect(store.collections()).toHaveLength(1);
  });

  it("S11: on a full disk is refused as that, wherever the room ends, and nothing is lost", async () => {
    const disk = new SimDisk();
    const options = { folder: "/store", background: "slices", disk } as const;
    const store = await openStore(options);
    const notes = await store.collection("notes");
    for (let place = 0; place < 30; place++) await notes.put(`k${place}`, { content: place });
    // Not closed: its next owner has to write before it can go on.
    const used = [...disk.files()].reduce((sum, { bytes }) => sum + bytes.length, 0);
    let refused = 0;
    for (let bytes = 0; bytes < 3_000; bytes += 60) {
      const full = disk.restarted({ faults: [faults.noSpaceAfter(used + bytes)] });
      const opened = await openStore({ ...options, disk: full }).catch((error: unknown) => error);
      if (opened instanceof Error) {
        expect(opened).toMatchObject({ code: "DISK_FULL" });
        refused++;
      } else await (opened as Awaited<ReturnType<typeof openStore>>).close().catch(() => undefined);
      const again = await openStore({ ...options, disk: full.restarted() });
      expect((await (await again.collection("notes")).get("k29"))?.content).toBe(29);
      await again.close();
    }
    expect(refused).toBeGreaterThan(0);
  });

  it("S11: whose log was taken away is refused rather than opened without it", async () => {
    await filled();
    await rm(join(folder, "log"), { recursive: true });
    // And again: what was refused must not leave a log behind that passes for the missing one.
    for (let turn = 0; turn < 3; turn++) {
      await expect(openStore({ folder })).rejects.toMatchObject({ code: "STORE_LOG_MISSING" });
      await expect(openStore({ folder, readOnly: true })).rejects.toMatchObject({ code: "STORE_LOG_MISSING" });
    }
  });
});
