import { describe, expect, it } from "vitest";
import { seededRandom, utf8, utf8Text } from "../../base/index.ts";
import { SimCrash, SimDisk } from "../index.ts";

const all = { limit: 4_096, random: () => 0 };

async function contentsOf(disk: SimDisk, path: string): Promise<string | undefined> {
  return (await disk.stat(path)) === undefined ? undefined : utf8Text(await disk.readFile(path));
}

/** What may be at these paths after a power cut, each state once. */
async function statesOf(disk: SimDisk, ...paths: string[]): Promise<Set<string>> {
  const states = new Set<string>();
  for (const survivor of disk.survivors(all)) {
    const contents = await Promise.all(paths.map((path) => contentsOf(survivor.disk, path)));
    states.add(contents.map((content) => content ?? "-").join("|"));
  }
  return states;
}

async function diskWith(path: string, content: string): Promise<SimDisk> {
  const disk = new SimDisk();
  await disk.writeFileAtomic(path, utf8(content));
  return disk;
}

describe("a power cut", () => {
  it("C1: leaves what was synced, file and folder, and nothing else in doubt", async () => {
    const disk = await diskWith("/file", "kept");
    expect(disk.powerCut().combinations).toBe(1);
    expect(await statesOf(disk, "/file")).toEqual(new Set(["kept"]));
  });

  it("C1: leaves of a written sector the old, the new, a half or garbage, and any content in between", async () => {
    const disk = await diskWith("/file", "aabb----");
    await using file = await disk.open("/file", "read-write");
    await file.writeAt([utf8("1111")], 0);
    await file.writeAt([utf8("2222")], 0);
    const states = await statesOf(disk, "/file");
    for (const state of ["aabb----", "1111----", "2222----", "22bb----"]) expect(states).toContain(state);
    expect(states.size).toBe(5);
    // Bytes beside those that were written are never harmed.
    for (const state of states) expect(state.endsWith("----")).toBe(true);
  });

  it("C1: keeps and loses the sectors of one write each by itself", async () => {
    const disk = new SimDisk();
    await disk.writeFileAtomic("/file", new Uint8Array(1_536));
    await using file = await disk.open("/file", "read-write");
    await file.writeAt([new Uint8Array(1_536).fill(0x61)], 0);
    const patterns = new Set<string>();
    for (const survivor of disk.survivors(all)) {
      const bytes = await survivor.disk.readFile("/file");
      patterns.add([0, 512, 1_024].map((at) => (bytes[at] === 0x61 && bytes[at + 511] === 0x61 ? "k" : "-")).join(""));
    }
    expect(patterns.size).toBe(8);
  });

  it("C1: leaves the old size or the new one, and zeros where nothing arrived", async () => {
    const disk = await diskWith("/file", "ab");
    await using file = await disk.open("/file", "read-write");
    await file.writeAt([utf8("cd")], 2);
    const states = await statesOf(disk, "/file");
    for (const state of ["ab", "ab\0\0", "abcd", "abc\0"]) expect(states).toContain(state);
    await file.syncData();
    await file.truncate(1);
    expect(await statesOf(disk, "/file")).toContain("abcd");
    expect(await statesOf(disk, "/file")).toContain("a");
    await file.syncData();
    expect(await statesOf(disk, "/file")).toEqual(new Set(["a"]));
  });

  it("C1: leaves a new file without its entry until the folder is synced, and an entry without its content", async () => {
    const disk = new SimDisk();
    await using file = await disk.open("/file", "create-new");
    await file.writeAt([utf8("a")], 0);
    await file.sync();
    expect(await statesOf(disk, "/file")).toEqual(new Set(["-", "a"]));
    await disk.syncFolder("/");
    expect(await statesOf(disk, "/file")).toEqual(new Set(["a"]));
    const other = new SimDisk();
    await using unsynced = await other.open("/file", "create-new");
    await unsynced.writeAt([utf8("a")], 0);
    await other.syncFolder("/");
    expect(await statesOf(other, "/file")).toContain("");
  });

  it("C1: leaves of a moved file the old name, the new one, both or neither; never a mix of contents", async () => {
    const disk = await diskWith("/new", "n");
    await disk.rename("/new", "/name");
    expect(await statesOf(disk, "/new", "/name")).toEqual(new Set(["n|-", "-|n", "n|n", "-|-"]));
    const over = await diskWith("/name", "old");
    await over.writeFileAtomic("/new", utf8("new"));
    await over.rename("/new", "/name");
    expect(await statesOf(over, "/name")).toEqual(new Set(["old", "new"]));
    await over.syncFolder("/");
    expect(await statesOf(over, "/new", "/name")).toEqual(new Set(["-|new"]));
  });

  it("C1: may bring back a removed file until the folder is synced", async () => {
    const disk = await diskWith("/file", "a");
    await disk.remove("/file");
    expect(await statesOf(disk, "/file")).toEqual(new Set(["-", "a"]));
    await disk.syncFolder("/");
    expect(await statesOf(disk, "/file")).toEqual(new Set(["-"]));
  });

  it("C1: takes nothing of a write that is durable when it returns", async () => {
    const disk = await diskWith("/file", "a");
    await using file = await disk.open("/file", "read-write", { dataSync: true });
    await file.writeAt([utf8("bcd")], 0);
    expect(await statesOf(disk, "/file")).toEqual(new Set(["bcd"]));
  });

  it("C1: after the death of the process alone, the next one reads everything, and it is still not durable", async () => {
    const disk = await diskWith("/file", "a");
    await (await disk.open("/file", "read-write")).writeAt([utf8("b")], 0);
    const next = disk.restarted();
    expect(await contentsOf(next, "/file")).toBe("b");
    expect(await statesOf(next, "/file")).toContain("a");
    await (await next.open("/file", "read")).sync();
    expect(await statesOf(next, "/file")).toEqual(new Set(["b"]));
    // The copy is one of its own.
    expect(await statesOf(disk, "/file")).toContain("a");
  });

  it("is exhaustive within its limit, and beyond begins with the extremes and goes on by the seed alone", async () => {
    const disk = new SimDisk();
    await disk.writeFileAtomic("/file", new Uint8Array(20 * 512));
    await (await disk.open("/file", "read-write")).writeAt([new Uint8Array(20 * 512).fill(1)], 0);
    const cut = disk.powerCut();
    expect(cut.combinations).toBe(4 ** 20);
    const choices = (seed: number): string[] =>
      [...cut.choices({ limit: 300, random: seededRandom(seed) })].map((choice) => choice.join(""));
    expect(choices(1)).toEqual(choices(1));
    expect(choices(1)).not.toEqual(choices(2));
    const found = new Set(choices(1));
    expect(found.size).toBe(300);
    const [lost, kept] = ["0".repeat(20), "1".repeat(20)];
    for (let place = 0; place < 20; place++) {
      expect(found).toContain(`${lost.slice(0, place)}1${lost.slice(place + 1)}`);
      expect(found).toContain(`${kept.slice(0, place)}0${kept.slice(place + 1)}`);
    }
    expect(found).toContain(lost);
    expect(found).toContain(kept);
    const again = disk.survivor(cut.doubts.map((_, place) => (place === 3 ? 0 : 1)));
    expect((await again.readFile("/file"))[3 * 512]).toBe(0);
  });
});

describe("a crash at a step", () => {
  it("C1: stops everything from that step on, wherever it is, and does nothing of it", async () => {
    const work = async (disk: SimDisk): Promise<void> => {
      await using file = await disk.open("/file", "create-new");
      await file.writeAt([utf8("a"), utf8("b")], 0);
      await file.syncData();
      await disk.syncFolder("/");
    };
    const whole = new SimDisk();
    await work(whole);
    expect(whole.steps).toBe(4);
    for (let step = 1; step <= whole.steps; step++) {
      const disk = new SimDisk();
      disk.crashAtStep(step);
      await expect(work(disk)).rejects.toBeInstanceOf(SimCrash);
      expect(disk.hasCrashed).toBe(true);
      expect(disk.steps).toBe(step - 1);
      await expect(disk.readFile("/file")).rejects.toBeInstanceOf(SimCrash);
      expect(await statesOf(disk, "/file")).toContain("-");
    }
  });

  it("leaves what could be looked at before that step", async () => {
    const work = async (disk: SimDisk): Promise<void> => {
      await disk.writeFileAtomic("/file", utf8("a"));
      await (await disk.open("/file", "read-write", { dataSync: true })).writeAt([utf8("bc")], 0);
    };
    const leftBy = async (disk: SimDisk): Promise<string[]> => [...(await statesOf(disk, "/file", "/.file.tmp"))];
    const whole = new SimDisk();
    const looks: Promise<string[]>[] = [];
    whole.beforeStep = () => looks.push(leftBy(whole.restarted()));
    await work(whole);
    expect(looks.length).toBe(whole.steps);
    for (const [place, look] of looks.entries()) {
      const disk = new SimDisk();
      disk.crashAtStep(place + 1);
      await expect(work(disk)).rejects.toBeInstanceOf(SimCrash);
      expect(await leftBy(disk)).toEqual(await look);
    }
  });

  it("comes before the sync of a write that is durable on return, too", async () => {
    const disk = await diskWith("/file", "a");
    await using file = await disk.open("/file", "read-write", { dataSync: true });
    disk.crashAtStep(disk.steps + 2);
    await expect(file.writeAt([utf8("b")], 0)).rejects.toBeInstanceOf(SimCrash);
    expect(await statesOf(disk, "/file")).toContain("a");
    expect(await statesOf(disk, "/file")).toContain("b");
  });

  it("C1: keeps a folder that somebody made who was killed before the sync, once it was made again", async () => {
    for (const deep of ["/a", "/a/b", "/a/b/c"]) {
      const count = new SimDisk();
      await count.makeFolder(deep);
      for (let step = 1; step <= count.steps; step++) {
        const disk = new SimDisk();
        disk.crashAtStep(step);
        await expect(disk.makeFolder(deep)).rejects.toThrow(SimCrash);
        const next = disk.restarted();
        await next.makeFolder(deep);
        for (const survivor of next.survivors(all)) {
          expect((await survivor.disk.stat(deep))?.kind, `${deep}, killed at step ${step}`).toBe("folder");
        }
      }
    }
  });
});
