import { describe, expect, it } from "vitest";
import { seededRandom, utf8 } from "../../base/index.ts";
import { faults, SimCrash, SimDisk } from "../../disk/index.ts";
import { openWal } from "../../wal/index.ts";
import { fileName } from "../manifest/names.ts";
import { openManifest, readManifest } from "../manifest/open-manifest.ts";
import type { ManifestState } from "../manifest/state.ts";
import { textOf } from "../testing/manifests.ts";
import { flushItems, madeStore } from "../testing/stores.ts";
import { type BackupReport, backupStore } from "./backup.ts";
import { identityValue, isBackup } from "./backup-folder.ts";
import { restoreLeap, restoreStore } from "./restore.ts";
import { verifyStore } from "./verify-store.ts";

const [folder, target, restored] = ["/store", "/backups/one", "/restored"] as const;

async function stateOf(disk: SimDisk, path: string = folder): Promise<ManifestState> {
  const read = await readManifest({ disk, folder: path });
  if (read === undefined) throw new Error(`there is no manifest in ${path}`);
  return read.state;
}

async function made(): Promise<SimDisk> {
  const disk = new SimDisk();
  await madeStore(disk, folder);
  return disk;
}

/** One file less, two more. */
async function changed(disk: SimDisk): Promise<void> {
  const { manifest } = await openManifest({ disk, folder });
  const oldest = [...manifest.state.files.values()].filter(({ kind }) => kind === "segment")[0];
  const firstSequence = manifest.state.flushedPosition + 1;
  await flushItems(disk, folder, manifest, { names: ["f", "g"], firstSequence, remove: [oldest.id] });
  await manifest.deleteObsolete();
  await manifest.close();
}

async function backup(disk: SimDisk, more: { readonly signal?: AbortSignal } = {}): Promise<BackupReport> {
  return await backupStore({ disk, folder, state: await stateOf(disk), target, ...more });
}

/** Without what only a backup or only a store has. */
function contentOf(state: ManifestState): string {
  const values = new Map(state.values);
  for (const name of ["backup", identityValue]) values.delete(name);
  return textOf({ ...state, values });
}

async function bytesIn(disk: SimDisk, path: string): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const { path: at, bytes } of disk.files())
    if (at.startsWith(`${path}/`)) found.set(at.slice(path.length), bytes);
  return found;
}

describe("a backup", () => {
  it("S11: of a state has all its files, checked, and nothing of what came after", async () => {
    const disk = await made();
    const state = await stateOf(disk);
    const progress: number[] = [];
    const onProgress = ({ doneBytes }: { readonly doneBytes: number }) => progress.push(doneBytes);
    const report = await backupStore({ disk, folder, state, target, onProgress });
    expect(report).toMatchObject({ copiedFiles: 4, keptFiles: 0, removedFiles: 0, version: state.flushedPosition });
    expect(report.copiedBytes).toBe(progress.at(-1));
    expect(contentOf(await stateOf(disk, target))).toBe(contentOf(state));
    for (const file of state.files.values())
      expect(await disk.readFile(`${target}/${fileName(file)}`)).toEqual(
        await disk.readFile(`${folder}/${fileName(file)}`),
      );
    expect(await isBackup(disk, target)).toBe(true);
    expect(await isBackup(disk, folder)).toBe(false);
  });

  it("S11: once more copies what is new, checks what is there, and removes what is gone", async () => {
    const disk = await made();
    await backup(disk);
    expect(await backup(disk)).toMatchObject({ copiedFiles: 0, keptFiles: 4, removedFiles: 0 });
    await changed(disk);
    expect(await backup(disk)).toMatchObject({ copiedFiles: 2, keptFiles: 3, removedFiles: 1 });
    expect(contentOf(await stateOf(disk, target))).toBe(contentOf(await stateOf(disk)));
    const names = (await disk.list(target)).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith("manifest"))).toHaveLength(1);
    // What has rotted in it since is copied anew.
    const path = `${target}/${names.find((name) => name.endsWith(".content"))}`;
    const bytes = await disk.readFile(path);
    bytes[40] ^= 1;
    await disk.writeFile(path, bytes);
    expect(await backup(disk)).toMatchObject({ copiedFiles: 1, keptFiles: 4 });
    expect((await verifyStore({ disk, folder: target, state: await stateOf(disk, target) })).isSound).toBe(true);
  });

  it("S11: refuses a folder that is a store, holds something else, or is of another store", async () => {
    const disk = await made();
    const state = await stateOf(disk);
    const refused = { code: "STORE_BACKUP_TARGET" };
    await expect(backupStore({ disk, folder, state, target: folder })).rejects.toMatchObject(refused);
    await disk.makeFolder("/other/log");
    await expect(backupStore({ disk, folder, state, target: "/other" })).rejects.toMatchObject(refused);
    await backup(disk);
    const before = await bytesIn(disk, target);
    const other = { ...state, values: new Map(state.values).set(identityValue, "another store") };
    await expect(backupStore({ disk, folder, state: other, target })).rejects.toMatchObject(refused);
    expect(await bytesIn(disk, target)).toEqual(before);
    const nameless = { ...state, values: new Map() };
    await expect(backupStore({ disk, folder, state: nameless, target: "/new" })).rejects.toMatchObject({
      code: "STORE_BACKUP_SOURCE",
    });
    // The mark alone may rot: the manifest says the same.
    await disk.writeFile(`${target}/BACKUP`, utf8("rot"));
    await expect(backupStore({ disk, folder, state: other, target })).rejects.toMatchObject(refused);
    expect(await backup(disk)).toMatchObject({ keptFiles: 4 });
  });

  it("S11: does not take over what is damaged, in any byte, and leaves the older one as it was", async () => {
    const disk = await made();
    await backup(disk);
    await changed(disk);
    const state = await stateOf(disk);
    const older = await bytesIn(disk, target);
    const added = [...state.files.values()].slice(-2);
    for (const file of added) {
      const path = `${folder}/${fileName(file)}`;
      const bytes = await disk.readFile(path);
      for (let place = 0; place < bytes.length; place += 41) {
        const damaged = bytes.slice();
        damaged[place] ^= 1 << (place % 8);
        await disk.writeFile(path, damaged);
        await expect(backup(disk)).rejects.toMatchObject({ code: "STORE_COPY_DAMAGED", details: { path } });
      }
      await disk.writeFile(path, bytes);
    }
    for (const [name, bytes] of older) expect(await disk.readFile(`${target}${name}`)).toEqual(bytes);
    await disk.writeFile(`${folder}/${fileName(added[0])}`, new Uint8Array(0));
    await expect(backup(disk)).rejects.toMatchObject({ code: "STORE_COPY_DAMAGED" });
  }, 30_000);

  it("S11: ended at any step leaves the older backup or the new one, whole, whatever survives, and can be run again", async () => {
    const start = await made();
    await backup(start);
    const first = contentOf(await stateOf(start));
    await changed(start);
    const second = contentOf(await stateOf(start));
    const plain = start.restarted();
    await backup(plain);
    const random = seededRandom(4);
    const seen = new Set<string>();
    for (let step = 1; step <= plain.steps + 1; step++) {
      const disk = start.restarted();
      // All that stands there now is durable.
      for (const path of [folder, target, "/backups", "/"]) await disk.syncFolder(path);
      for (const { path } of disk.files()) await (await disk.open(path, "read-write")).sync();
      disk.crashAtStep(disk.steps + step);
      const ended = await backup(disk).catch((error: unknown) => {
        if (!(error instanceof SimCrash)) throw error;
      });
      for (const { disk: survivor } of disk.survivors({ limit: 6, random })) {
        const state = await stateOf(survivor, target);
        const content = contentOf(state);
        expect([first, second]).toContain(content);
        if (ended !== undefined) expect(content).toBe(second);
        seen.add(content);
        expect(await verifyStore({ disk: survivor, folder: target, state })).toMatchObject({ findings: [] });
        await backup(survivor);
        expect(contentOf(await stateOf(survivor, target))).toBe(second);
      }
    }
    expect(seen.size).toBe(2);
  }, 120_000);

  it("S11: the first one, ended at any step, is none or whole, and goes on where it ended", async () => {
    const plain = await made();
    const before = plain.steps;
    await backup(plain);
    const wanted = contentOf(await stateOf(plain));
    let kept = 0;
    for (let step = 1; step <= plain.steps - before; step += 2) {
      const disk = await made();
      disk.crashAtStep(disk.steps + step);
      await backup(disk).catch(() => undefined);
      for (const { disk: survivor } of disk.survivors({ limit: 4, random: seededRandom(step) })) {
        const read = await readManifest({ disk: survivor, folder: target }).catch(() => undefined);
        if (read !== undefined) expect(contentOf(read.state)).toBe(wanted);
        else
          await expect(restoreStore({ disk: survivor, from: target, to: restored, identity: "x" })).rejects.toThrow();
        kept += (await backup(survivor)).keptFiles;
        expect(contentOf(await stateOf(survivor, target))).toBe(wanted);
      }
    }
    expect(kept).toBeGreaterThan(4);
  }, 120_000);

  it("S11: a full disk, a failing one and an abort are told, and leave the older one as it was", async () => {
    const start = await made();
    await backup(start);
    const first = contentOf(await stateOf(start));
    await changed(start);
    for (const fault of [faults.failWrite, faults.failSync, faults.failRename, faults.failSyncFolder]) {
      for (let occurrence = 1; ; occurrence++) {
        const disk = start.restarted({ faults: [fault({ occurrence, path: /backups/ })] });
        const failure = await backup(disk).catch((error: unknown) => error);
        if (disk.faultsStruck === 0) break;
        expect(failure).toMatchObject({ code: expect.stringMatching(/^DISK_/) });
        const state = await stateOf(disk, target);
        expect(await verifyStore({ disk, folder: target, state })).toMatchObject({ findings: [] });
        expect(await backup(disk)).toMatchObject({ version: (await stateOf(disk)).flushedPosition });
      }
    }
    await expect(backup(start, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    expect(contentOf(await stateOf(start, target))).toBe(first);
  });
});

describe("a restored store", () => {
  const identity = "a restored store";

  it("S11: has what the backup has, a log of its own that goes on above, and another identity", async () => {
    const disk = await made();
    const { version } = await backup(disk);
    expect(await restoreStore({ disk, from: target, to: restored, identity })).toMatchObject({ files: 4, version });
    const state = await stateOf(disk, restored);
    expect(contentOf(state)).toBe(contentOf(await stateOf(disk)));
    expect(state.values.get(identityValue)).toBe(identity);
    expect(await verifyStore({ disk, folder: restored })).toMatchObject({ isSound: true, findings: [], logEntries: 0 });
    await using wal = await openWal({ disk, folder: `${restored}/log` });
    expect(await wal.append(utf8("the next"))).toBe(version + restoreLeap + 1);
    const opened = await openManifest({ disk, folder: restored });
    expect(opened).toMatchObject({ isNew: false, orphans: [], missing: [] });
    await opened.manifest.close();
    // It goes on with the file numbers of the original: neither may be backed up over the other.
    await expect(backupStore({ disk, folder: restored, state, target })).rejects.toMatchObject({
      code: "STORE_BACKUP_TARGET",
    });
  });

  it("S11: is not made of what is no backup or is damaged, nor where something is", async () => {
    const disk = await made();
    const restore = (from: string, to: string) => restoreStore({ disk, from, to, identity });
    for (const from of [folder, "/nowhere"])
      await expect(restore(from, restored)).rejects.toMatchObject({ code: "STORE_BACKUP_MISSING" });
    await backup(disk);
    await expect(restore(target, folder)).rejects.toMatchObject({ code: "STORE_RESTORE_TARGET" });
    for (const { path, bytes } of [...disk.files()].filter((one) => one.path.startsWith(`${target}/0`))) {
      const whole = bytes.slice();
      for (let place = 0; place < whole.length; place += 101) {
        const damaged = whole.slice();
        damaged[place] ^= 4;
        await disk.writeFile(path, damaged);
        await expect(restore(target, restored)).rejects.toMatchObject({
          code: "STORE_COPY_DAMAGED",
          details: { path },
        });
      }
      await disk.writeFile(path, whole);
    }
    await restore(target, restored);
    expect((await verifyStore({ disk, folder: restored })).isSound).toBe(true);
    await expect(restore(target, restored)).rejects.toMatchObject({ code: "STORE_RESTORE_TARGET" });
  }, 30_000);

  it("S11: is there as a whole or not at all when it is ended at any step, and the next run makes it", async () => {
    const start = await made();
    await backup(start);
    const wanted = contentOf(await stateOf(start));
    const plain = start.restarted();
    await restoreStore({ disk: plain, from: target, to: restored, identity });
    let whole = 0;
    for (let step = 1; step <= plain.steps + 1; step++) {
      const disk = start.restarted();
      for (const { path } of disk.files()) await (await disk.open(path, "read-write")).sync();
      for (const path of [folder, target, "/backups", "/"]) await disk.syncFolder(path);
      disk.crashAtStep(disk.steps + step);
      await restoreStore({ disk, from: target, to: restored, identity }).catch(() => undefined);
      for (const { disk: survivor } of disk.survivors({ limit: 4, random: seededRandom(step) })) {
        if ((await survivor.stat(`${restored}/CURRENT`)) === undefined) {
          const files = (await survivor.stat(restored)) === undefined ? [] : await survivor.list(restored);
          if (files.some(({ name }) => /^\d+\.(segment|content)$/.test(name)))
            await expect(openManifest({ disk: survivor, folder: restored })).rejects.toMatchObject({
              code: "STORE_MANIFEST_CORRUPT",
            });
          await restoreStore({ disk: survivor, from: target, to: restored, identity });
        } else whole++;
        expect(contentOf(await stateOf(survivor, restored))).toBe(wanted);
        expect(await verifyStore({ disk: survivor, folder: restored })).toMatchObject({ isSound: true, logEntries: 0 });
      }
    }
    expect(whole).toBeGreaterThan(2);
  }, 120_000);
});
