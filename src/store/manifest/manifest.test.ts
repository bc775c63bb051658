import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { HoldfastError, seededRandom, utf8 } from "../../base/index.ts";
import { faults, SimDisk } from "../../disk/index.ts";
import { contentFile, folder, segmentFile, textOf } from "../testing/manifests.ts";
import { openManifest, readManifest } from "./open-manifest.ts";
import type { ManifestEdit } from "./state.ts";

const edits: readonly ManifestEdit[] = [
  { add: [segmentFile(1)], flushedPosition: 100 },
  { add: [segmentFile(2), contentFile(3)], flushedPosition: 200, values: { collections: "items", mood: "calm" } },
  { add: [segmentFile(4, 1)], remove: [1, 2], values: { mood: null } },
];

async function made(disk = new SimDisk(), rewriteBytes?: number): Promise<{ disk: SimDisk; texts: string[] }> {
  const { manifest } = await openManifest({ disk, folder, ...(rewriteBytes === undefined ? {} : { rewriteBytes }) });
  const texts = [textOf(manifest.state)];
  for (const edit of edits) texts.push(textOf(await manifest.apply(edit)));
  await manifest.close();
  return { disk, texts };
}

/** A disk of its own with these files. */
async function diskWith(files: Iterable<{ readonly path: string; readonly bytes: Uint8Array }>): Promise<SimDisk> {
  const disk = new SimDisk();
  await disk.makeFolder(folder);
  for (const { path, bytes } of files) await disk.writeFile(path, bytes);
  return disk;
}

const manifestPath = `${folder}/manifest-0000000001`;

describe("a manifest", () => {
  it("S2: is as it was when it is opened again, and goes on from there", async () => {
    const { disk, texts } = await made();
    for (let turn = 0; turn < 3; turn++) {
      const opened = await openManifest({ disk, folder });
      expect(opened).toMatchObject({ isNew: false, orphans: [], torn: undefined, healed: [] });
      expect(textOf(opened.manifest.state)).toBe(texts[3]);
      expect(opened.missing.map(({ id }) => id).sort()).toEqual([3, 4]);
      expect(opened.manifest.newFileId()).toBeGreaterThan(4);
      await opened.manifest.close();
    }
    const { manifest } = await openManifest({ disk, folder });
    await manifest.apply({ values: { after: "yes" } });
    await manifest.close();
    expect((await readManifest({ disk, folder }))?.state.values.get("after")).toBe("yes");
  });

  it("S2: is written anew when it has grown, and stays the same", async () => {
    const { disk, texts } = await made(new SimDisk(), 1_024);
    expect((await readManifest({ disk, folder }))?.number).toBeGreaterThan(1);
    expect(textOf((await readManifest({ disk, folder }))!.state)).toBe(texts[3]);
    const { manifest } = await openManifest({ disk, folder, rewriteBytes: 20_000 });
    for (let place = 0; place < 200; place++) await manifest.apply({ flushedPosition: 1_000 + place });
    await manifest.close();
    const names = (await disk.list(folder)).map(({ name }) => name);
    expect(names).toHaveLength(2);
    expect((await disk.stat(`${folder}/${names[1]}`))?.sizeBytes).toBeLessThan(25_000);
    expect((await readManifest({ disk, folder }))?.state.flushedPosition).toBe(1_199);
  });

  it("S2: refuses edits that cannot be", async () => {
    await using manifest = (await openManifest({ disk: new SimDisk(), folder })).manifest;
    await manifest.apply(edits[0]);
    await expect(manifest.apply({ remove: [9] })).rejects.toThrow("not there");
    await expect(manifest.apply({ add: [segmentFile(1)] })).rejects.toThrow("there already");
    await expect(manifest.apply({ flushedPosition: 99 })).rejects.toThrow("goes back");
    expect(manifest.isInDoubt).toBe(false);
    expect(manifest.state.files.size).toBe(1);
  });

  it("S2: takes concurrent edits one after the other", async () => {
    const disk = new SimDisk();
    const { manifest } = await openManifest({ disk, folder });
    await Promise.all(Array.from({ length: 30 }, (_, place) => manifest.apply({ add: [segmentFile(place + 1)] })));
    await manifest.close();
    expect([...(await readManifest({ disk, folder }))!.state.files.keys()]).toEqual(
      Array.from({ length: 30 }, (_, place) => place + 1),
    );
  });

  it("S2: deletes a file when no edit and no pin names it any more, and not before", async () => {
    const disk = new SimDisk();
    const { manifest } = await openManifest({ disk, folder });
    for (const id of [1, 2]) await disk.writeFileAtomic(manifest.pathOf(segmentFile(id)), utf8("x"));
    await manifest.apply({ add: [segmentFile(1), segmentFile(2)] });
    const [one, two] = [manifest.pin(), manifest.pin()];
    await manifest.apply({ remove: [1] });
    const late = manifest.pin();
    await manifest.apply({ remove: [2] });
    expect(manifest.pins).toBe(3);
    expect(await manifest.deleteObsolete()).toEqual([]);
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    expect(await manifest.deleteObsolete()).toEqual([]);
    two[Symbol.dispose]();
    expect(await manifest.deleteObsolete()).toEqual(["0000000001.segment"]);
    late[Symbol.dispose]();
    expect(await manifest.deleteObsolete()).toEqual(["0000000002.segment"]);
    expect(await manifest.deleteObsolete()).toEqual([]);
    expect((await disk.list(folder)).map(({ name }) => name)).toEqual(["CURRENT", "manifest-0000000001"]);
  });

  it("S2: lists what a crash left over, leaves what is not ours, and gives no number twice", async () => {
    const { disk } = await made();
    const left = ["0000000077.segment", "0000000078.segment.tmp", "0000000005.content", "manifest-0000000009"];
    for (const name of [...left, "lock", "notes.txt"]) await disk.writeFile(`${folder}/${name}`, utf8("x"));
    const { manifest, orphans } = await openManifest({ disk, folder });
    expect([...orphans].sort()).toEqual(left.sort());
    expect(manifest.newFileId()).toBe(79);
    await manifest.rewrite();
    // 10 was written at the opening, for the one before had been appended to.
    expect((await readManifest({ disk, folder }))?.number).toBe(11);
    await manifest.close();
  });

  it("S8: a folder that has lost its CURRENT is refused, not taken for a new one", async () => {
    const { disk } = await made();
    await disk.remove(`${folder}/CURRENT`);
    await expect(openManifest({ disk, folder })).rejects.toMatchObject({ code: "STORE_MANIFEST_CORRUPT" });
    const other = (await made()).disk;
    await other.remove(manifestPath);
    await expect(openManifest({ disk: other, folder })).rejects.toMatchObject({ details: { path: manifestPath } });
  });

  it("S2: of a later version is refused as that", async () => {
    const { disk } = await made();
    const line = "holdfast-store 2 0000000001";
    const text = `${line} ${crc32(line).toString(16).padStart(8, "0")}\n`;
    await disk.writeFileAtomic(`${folder}/CURRENT`, utf8(text + text));
    await expect(openManifest({ disk, folder })).rejects.toMatchObject({ code: "STORE_VERSION" });
    await expect(openManifest({ disk, folder })).rejects.toHaveProperty("hint");
  });
});

describe("a damaged manifest", () => {
  it("S8: every flipped byte takes nothing away, and is reported or mended", async () => {
    const { disk, texts } = await made();
    let reported = 0;
    const files = [...disk.files()];
    for (const { path, bytes } of files) {
      for (let place = 0; place < bytes.length; place++) {
        const damaged = bytes.slice();
        damaged[place] ^= 1 << (place % 8);
        const others = files.filter((file) => file.path !== path);
        const broken = await diskWith([...others, { path, bytes: damaged }]);
        const opened = await openManifest({ disk: broken, folder });
        expect(textOf(opened.manifest.state)).toBe(texts[3]);
        reported += opened.healed.length;
        expect(opened.torn).toBeUndefined();
        await opened.manifest.close();
        if (place % 16 !== 0) continue;
        const again = await openManifest({ disk: broken, folder });
        expect(again.healed).toEqual([]);
        expect(textOf(again.manifest.state)).toBe(texts[3]);
        await again.manifest.close();
      }
    }
    expect(reported).toBe(files.reduce((sum, { bytes }) => sum + bytes.length, 0));
  }, 30_000);

  it("S8: both copies of an edit that others follow are damage, with its place; of the last a torn tail", async () => {
    const { disk, texts } = await made();
    const bytes = await disk.readFile(manifestPath);
    const current = { path: `${folder}/CURRENT`, bytes: await disk.readFile(`${folder}/CURRENT`) };
    const starts = editStarts(bytes);
    expect(starts).toHaveLength(4);
    for (const [number, start] of starts.entries()) {
      const damaged = bytes.slice();
      const end = starts[number + 1] ?? bytes.length;
      damaged.fill(0x5a, start + 8, end - 8);
      const broken = await diskWith([current, { path: manifestPath, bytes: damaged }]);
      if (number < 3) {
        await expect(openManifest({ disk: broken, folder })).rejects.toMatchObject({
          code: "STORE_MANIFEST_CORRUPT",
          details: { path: manifestPath, offset: start },
        });
        continue;
      }
      const opened = await openManifest({ disk: broken, folder });
      expect(opened.torn).toEqual({ offset: start, tornBytes: bytes.length - start });
      expect(textOf(opened.manifest.state)).toBe(texts[2]);
      await opened.manifest.close();
    }
  });

  it("S8: whose last edit an earlier process failed to sync is written anew before it is believed", async () => {
    const disk = new SimDisk({
      faults: [faults.failSync({ path: /manifest/, occurrence: 3, forever: true, lies: true })],
    });
    const { manifest } = await openManifest({ disk, folder });
    await manifest.apply({ add: [segmentFile(1)] });
    await expect(manifest.apply({ remove: [1], add: [segmentFile(2)] })).rejects.toMatchObject({ code: "DISK_IO" });
    // The next process sees the edit in the system's memory, and goes by it: what it removes must stay removed.
    const next = disk.restarted();
    const again = await openManifest({ disk: next, folder });
    const seen = [...again.manifest.state.files.keys()];
    for (const { disk: survivor } of next.survivors({ limit: 40, random: seededRandom(2) }))
      expect([...(await readManifest({ disk: survivor, folder }))!.state.files.keys()]).toEqual(seen);
  });

  it("S8: edits that changed places or came from another manifest are found out", async () => {
    const { disk } = await made();
    const bytes = await disk.readFile(manifestPath);
    const starts = [...editStarts(bytes), bytes.length];
    const current = { path: `${folder}/CURRENT`, bytes: await disk.readFile(`${folder}/CURRENT`) };
    const edit = (number: number): Uint8Array => bytes.slice(starts[number], starts[number + 1]);
    const refuses = async (changed: Uint8Array): Promise<void> => {
      const broken = await diskWith([current, { path: manifestPath, bytes: changed }]);
      await expect(readManifest({ disk: broken, folder })).rejects.toMatchObject({ code: "STORE_MANIFEST_CORRUPT" });
    };
    await refuses(Buffer.concat([edit(0), edit(2), edit(1), edit(3)]));
    await refuses(Buffer.concat([edit(0), edit(1), new Uint8Array(edit(2).length), edit(3)]));
    await refuses(Buffer.concat([edit(1), edit(2), edit(3)]));
    const other = await made(new SimDisk());
    const second = await openManifest({ disk: other.disk, folder });
    await second.manifest.rewrite();
    await second.manifest.close();
    await refuses(await other.disk.readFile(`${folder}/manifest-0000000003`));
  });

  it("S8: bytes that are no manifest are refused, whatever they are", async () => {
    const { disk, texts } = await made();
    const bytes = await disk.readFile(manifestPath);
    const current = { path: `${folder}/CURRENT`, bytes: await disk.readFile(`${folder}/CURRENT`) };
    const random = seededRandom(5);
    const below = (limit: number): number => Math.floor(random() * limit);
    for (let turn = 0; turn < 600; turn++) {
      let changed = random() < 0.4 ? bytes.slice(0, below(bytes.length)) : bytes.slice();
      for (let count = below(4); count > 0; count--)
        changed.fill(below(256), below(changed.length), below(changed.length));
      for (let count = below(6); count > 0; count--) changed[below(changed.length)] = below(256);
      if (random() < 0.2) changed = Buffer.concat([changed, changed.subarray(below(changed.length))]);
      const broken = await diskWith([current, { path: manifestPath, bytes: changed }]);
      try {
        const found = await readManifest({ disk: broken, folder });
        expect(texts).toContain(textOf(found!.state));
      } catch (error) {
        if (!HoldfastError.is(error)) throw error;
        expect(error.code).toBe("STORE_MANIFEST_CORRUPT");
        expect(error.details["path"]).toBe(manifestPath);
        expect(typeof error.details["offset"]).toBe("number");
      }
    }
  });
});

describe("a manifest on a failing disk", () => {
  it("S8: a failed read at any call is an error, and not an empty store", async () => {
    const { disk } = await made();
    for (const fail of [faults.failRead, faults.shortRead, faults.failOpen, faults.failList]) {
      for (let occurrence = 1; ; occurrence++) {
        const failing = disk.restarted({ faults: [fail({ occurrence })] });
        const failure = await openManifest({ disk: failing, folder }).then(
          ({ manifest, torn }) =>
            torn === undefined && manifest.state.files.size === 2 ? undefined : "another answer",
          (error: unknown) => error,
        );
        if (failing.faultsStruck === 0) break;
        expect(HoldfastError.is(failure) ? "refused" : failure).toBe("refused");
      }
    }
  });

  it("S8: deletes nothing while it is in doubt which edits happened", async () => {
    const disk = new SimDisk({ faults: [faults.failSync({ path: /manifest/, occurrence: 4, lies: true })] });
    const { manifest } = await openManifest({ disk, folder });
    await disk.writeFileAtomic(manifest.pathOf(segmentFile(1)), utf8("x"));
    await manifest.apply({ add: [segmentFile(1)] });
    await manifest.apply({ remove: [1] });
    await expect(manifest.apply({ values: { a: "b" } })).rejects.toThrow("DISK_IO");
    expect(await manifest.deleteObsolete()).toEqual([]);
    await manifest.rewrite();
    expect(await manifest.deleteObsolete()).toEqual(["0000000001.segment"]);
    await manifest.close();
  });

  it("S8: after a failed write or sync the next edit goes to a new file, and the failed one did not happen", async () => {
    for (const fault of [
      faults.failWrite({ path: /manifest/, occurrence: 3 }),
      faults.failWrite({ path: /manifest/, occurrence: 3, bytes: 600, code: "ENOSPC" }),
      faults.failSync({ path: /manifest/, occurrence: 3, lies: true }),
    ]) {
      const disk = new SimDisk({ faults: [fault] });
      const { manifest } = await openManifest({ disk, folder });
      await manifest.apply(edits[0]);
      await expect(manifest.apply(edits[1])).rejects.toThrow("DISK_");
      expect(manifest.isInDoubt).toBe(true);
      expect(manifest.state.files.size).toBe(1);
      expect(await manifest.deleteObsolete()).toEqual([]);
      await manifest.apply({ values: { after: "failure" } });
      expect(manifest.isInDoubt).toBe(false);
      await manifest.close();
      for (const { disk: survivor } of disk.survivors({ limit: 50, random: seededRandom(1) })) {
        const found = await readManifest({ disk: survivor, folder });
        expect([...found!.state.files.keys()]).toEqual([1]);
        expect(found!.state.values.get("after")).toBe("failure");
      }
    }
  });
});

function editStarts(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const starts: number[] = [];
  for (let at = 0; at < bytes.length; at += 512)
    if (view.getUint32(at + 4, true) === 0x4e414d48 && view.getUint32(at + 36, true) === 0) starts.push(at);
  return starts;
}
