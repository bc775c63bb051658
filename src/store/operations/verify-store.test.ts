import { describe, expect, it } from "vitest";
import { utf8 } from "../../base/index.ts";
import { faults, SimDisk } from "../../disk/index.ts";
import { encodeLost, lostValueName } from "../damage/lost-codec.ts";
import { salvageSegment } from "../damage/salvage.ts";
import { encodeGraph } from "../graph/index.ts";
import { openManifest, readManifest } from "../manifest/open-manifest.ts";
import { SegmentWriter } from "../segment/segment-writer.ts";
import { manifestFileOf } from "../testing/lost.ts";
import { plainEntry } from "../testing/model.ts";
import { edgeEntry, itemEntry, madeStore, writeStoreSegment } from "../testing/stores.ts";
import { verifyStore } from "./verify-store.ts";

const folder = "/store";

async function made(): Promise<SimDisk> {
  const disk = new SimDisk();
  await madeStore(disk, folder);
  return disk;
}

async function paths(disk: SimDisk): Promise<{ readonly path: string; readonly bytes: Uint8Array }[]> {
  return [...disk.files()].map(({ path, bytes }) => ({ path, bytes: bytes.slice() }));
}

describe("the check of a store", () => {
  it("S11: finds nothing in a sound one, and says what it has looked at", async () => {
    const disk = await made();
    const before = await paths(disk);
    const progress: number[] = [];
    const report = await verifyStore({ disk, folder, onProgress: ({ doneBytes }) => progress.push(doneBytes) });
    expect(report).toMatchObject({ isSound: true, findings: [], omitted: 0, segments: 2, contentFiles: 2 });
    expect(report).toMatchObject({ entries: 8 + 6, contents: 5, logEntries: 1 });
    expect(progress).toHaveLength(4);
    expect(progress.at(-1)).toBe(report.bytes);
    expect(await paths(disk)).toEqual(before);
  });

  it("S8: finds every flipped byte of every file, says where, and never fails of it", async () => {
    const whole = await paths(await made());
    const disk = new SimDisk();
    await disk.makeFolder(`${folder}/log`);
    for (const { path, bytes } of whole) await disk.writeFile(path, bytes);
    const silent: string[] = [];
    let flips = 0;
    for (const { path, bytes } of whole) {
      for (let place = 0; place < bytes.length; place += bytes.length > 4_096 ? 7 : 3) {
        const damaged = bytes.slice();
        damaged[place] ^= 1 << (place % 8);
        await disk.writeFile(path, damaged);
        const { findings } = await verifyStore({ disk, folder });
        flips++;
        if (!findings.some((one) => one.path === path)) silent.push(`${path} at ${place}`);
        for (const { reason, advice } of findings) expect(reason.length * advice.length).toBeGreaterThan(0);
      }
      await disk.writeFile(path, bytes);
    }
    expect(flips).toBeGreaterThan(2_000);
    expect(silent).toEqual([]);
  }, 120_000);

  it("S8: what is rotten twice in the manifest, or lost in whole, is told as a loss", async () => {
    for (const name of [
      "CURRENT",
      "manifest-0000000001",
      "0000000001.content",
      "0000000002.segment",
      "log/00000001.wal",
    ]) {
      const disk = await made();
      await disk.remove(`${folder}/${name}`);
      const { isSound, findings } = await verifyStore({ disk, folder });
      expect(isSound).toBe(false);
      expect(findings.some(({ severity }) => severity === "loss")).toBe(true);
    }
    await expect(verifyStore({ disk: await made(), folder: "/" })).rejects.toMatchObject({ code: "STORE_MISSING" });
  });

  it("S5: a handle that leads to nothing, or to another content, is found", async () => {
    const disk = await made();
    const { manifest } = await openManifest({ disk, folder });
    const [first, second] = [...manifest.state.files.values()].filter(({ kind }) => kind === "content");
    await disk.remove(manifest.pathOf(second));
    await manifest.apply({ remove: [second.id] });
    await manifest.close();
    const { findings } = await verifyStore({ disk, folder });
    expect(findings.filter(({ part }) => part === "handle")).toHaveLength(2);
    expect(findings.every(({ reason }) => !reason.includes(`of file ${first.id}`))).toBe(true);
  });

  it("S8: what is no item, a graph of other edges and a log that lacks what was not flushed are found", async () => {
    const disk = await made();
    const { manifest } = await openManifest({ disk, folder });
    const short = itemEntry("x", 20, "short");
    const entries = [
      plainEntry(utf8("strange"), 21),
      { ...short, value: short.value.subarray(0, 30) },
      edgeEntry("a", "z", 22, 1),
    ];
    const bad = await writeStoreSegment(disk, folder, manifest.newFileId(), entries);
    const id = manifest.newFileId();
    const name = `${String(id).padStart(10, "0")}.segment`;
    const writer = await SegmentWriter.create({ disk, folder, name, fileId: id });
    await writer.add(edgeEntry("a", "y", 23, 1));
    await writer.addSection(256, [encodeGraph([])]);
    const graph = manifestFileOf(await writer.finish());
    await manifest.apply({ add: [bad, graph] });
    await manifest.close();
    const { findings } = await verifyStore({ disk, folder });
    expect(findings.map(({ part, severity }) => `${part} ${severity}`).sort()).toEqual([
      "entry loss",
      "entry loss",
      "section rebuildable",
    ]);
    await disk.remove(`${folder}/log/00000001.wal`);
    expect((await verifyStore({ disk, folder })).findings.at(-1)).toMatchObject({ part: "log", severity: "loss" });
  });

  it("S8: a loss that was named before is told as that, and leftovers as harmless", async () => {
    const disk = await made();
    const path = `${folder}/0000000002.segment`;
    const bytes = await disk.readFile(path);
    bytes[100] ^= 1;
    await disk.writeFile(path, bytes);
    const { manifest } = await openManifest({ disk, folder });
    const file = manifest.state.files.get(2);
    const newFileId = manifest.newFileId();
    const salvage = await salvageSegment({ disk, folder, file: file!, newFileId });
    const values = { [lostValueName(newFileId)]: encodeLost(salvage.lost) };
    await manifest.apply({ remove: [2], add: [salvage.file], values });
    await manifest.close();
    const { findings, isSound } = await verifyStore({ disk, folder });
    expect(isSound).toBe(false);
    const told = new Set(findings.map(({ part, severity, path: at }) => `${part} ${severity} ${at}`));
    expect(told).toEqual(new Set([`entry known ${path}`, `orphan harmless ${path}`]));
  });

  it("S11: of an open store it looks at the files of a pinned state alone", async () => {
    const disk = await made();
    const read = await readManifest({ disk, folder });
    await disk.remove(`${folder}/CURRENT`);
    await disk.writeFile(`${folder}/0000000099.segment.tmp`, utf8("being written"));
    const report = await verifyStore({ disk, folder, state: read!.state });
    expect(report).toMatchObject({ isSound: true, findings: [], entries: 14, logEntries: undefined });
  });

  it("S11: a device that fails is a finding; an abort and a closed door are thrown", async () => {
    const disk = await made();
    for (let occurrence = 1; occurrence < 30; occurrence++) {
      const failing = disk.restarted({ faults: [faults.failRead({ occurrence, forever: true })] });
      expect((await verifyStore({ disk: failing, folder })).findings.length).toBeGreaterThan(0);
    }
    const denied = disk.restarted({ faults: [faults.failOpen({ path: /segment/, code: "EACCES" })] });
    await expect(verifyStore({ disk: denied, folder })).rejects.toMatchObject({ code: "DISK_DENIED" });
    await expect(verifyStore({ disk, folder, signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow(
      "enough",
    );
  });
});
