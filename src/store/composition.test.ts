import { describe, expect, it } from "vitest";
import { seededRandom, utf8 } from "../base/index.ts";
import { SimCrash, SimDisk } from "../disk/index.ts";
import type { Entry } from "./entry.ts";
import type { Manifest } from "./manifest/manifest.ts";
import { fileName } from "./manifest/names.ts";
import { openManifest } from "./manifest/open-manifest.ts";
import type { ManifestFile } from "./manifest/state.ts";
import { Memtable } from "./memtable/memtable.ts";
import { compactEntries } from "./merge/compaction.ts";
import { scanEntries } from "./merge/scan.ts";
import { BlockCache } from "./segment/block-cache.ts";
import { openSegment, type Segment } from "./segment/segment.ts";
import { type SegmentSummary, SegmentWriter } from "./segment/segment-writer.ts";
import { plainEntry, tombstone, VersionModel } from "./testing/model.ts";
import { folder } from "./testing/segments.ts";
import { gathered } from "./testing/walk.ts";

/** The parts as an engine would put them together, without a log: what is flushed is kept, what is not is lost. */
class Shelf {
  readonly disk: SimDisk;
  readonly manifest: Manifest;
  readonly #segments = new Map<number, Segment>();
  readonly #cache = new BlockCache({ limitBytes: 100_000 });

  constructor(disk: SimDisk, manifest: Manifest) {
    this.disk = disk;
    this.manifest = manifest;
  }

  static async open(disk: SimDisk): Promise<Shelf> {
    const { manifest, orphans, missing } = await openManifest({ disk, folder, rewriteBytes: 4_096 });
    expect(missing).toEqual([]);
    for (const name of orphans) await disk.remove(`${folder}/${name}`);
    return new Shelf(disk, manifest);
  }

  /** The newest first. */
  async segments(): Promise<Segment[]> {
    const files = [...this.manifest.state.files.values()].sort((a, b) => b.largestSequence - a.largestSequence);
    return await Promise.all(files.map((file) => this.#opened(file)));
  }

  async flush(table: Memtable): Promise<void> {
    const file = await this.#write(compactEntries([table], { snapshots: [], isBottom: false }), 0);
    await this.manifest.apply({ add: [file], flushedPosition: file.largestSequence });
  }

  async compact(): Promise<void> {
    using pin = this.manifest.pin();
    const file = await this.#write(compactEntries(await this.segments(), { snapshots: [], isBottom: true }), 1);
    await this.manifest.apply({ add: [file], remove: [...pin.state.files.keys()] });
  }

  async #write(batches: AsyncIterable<Entry[]>, level: number): Promise<ManifestFile> {
    const id = this.manifest.newFileId();
    const name = fileName({ id, kind: "segment" });
    const options = { disk: this.disk, folder, name, fileId: id, blockBytes: 1_024 };
    await using writer = await SegmentWriter.create(options);
    for await (const batch of batches) for (const entry of batch) await writer.add(entry);
    return fileOf(await writer.finish(), level);
  }

  async #opened(file: ManifestFile): Promise<Segment> {
    const { id: fileId } = file;
    const options = { disk: this.disk, folder, name: fileName(file), fileId, cache: this.#cache, expected: file };
    const segment = this.#segments.get(fileId) ?? (await openSegment(options));
    this.#segments.set(fileId, segment);
    return segment;
  }
}

function fileOf({ fileId, sizeBytes, checksum, properties }: SegmentSummary, level: number): ManifestFile {
  const { entries, tombstones, smallestKey, largestKey, smallestSequence, largestSequence } = properties;
  const range = { smallestKey, largestKey, smallestSequence, largestSequence };
  return { id: fileId, kind: "segment", level, sizeBytes, checksum, entries, tombstones, ...range };
}

type Step = "flush" | "compact" | "collect";
const script: readonly Step[] = ["flush", "flush", "compact", "collect", "flush", "compact", "collect"];

/** What a reader saw after each step, and how many of these states were acknowledged. */
interface Ledger {
  readonly views: Entry[][];
  acknowledged: number;
}

async function run(disk: SimDisk, ledger: Ledger): Promise<void> {
  const shelf = await Shelf.open(disk);
  const model = new VersionModel();
  const random = seededRandom(11);
  ledger.views.push([]);
  ledger.acknowledged = 1;
  let sequence = 0;
  for (const step of script) {
    const table = new Memtable();
    for (let count = 0; step === "flush" && count < 12; count++) {
      const key = utf8(`k${Math.floor(random() * 15)}`);
      sequence++;
      const entry = random() < 0.4 ? tombstone(key, sequence) : plainEntry(key, sequence, utf8(`v${sequence}`));
      table.put(entry);
      model.put(entry);
    }
    ledger.views.push(model.scan({}));
    if (step === "flush") await shelf.flush(table.freeze());
    else if (step === "compact") await shelf.compact();
    else await shelf.manifest.deleteObsolete();
    ledger.acknowledged = ledger.views.length;
    expect(await gathered(scanEntries(await shelf.segments()))).toEqual(ledger.views.at(-1));
  }
  await shelf.manifest.close();
}

describe("memtable, segments and manifest together", () => {
  it("S8: come back after a crash at any step with all that was flushed, nothing half and nothing deleted", async () => {
    const plain = new SimDisk();
    await run(plain, { views: [], acknowledged: 0 });
    expect([...plain.files()].map(({ path }) => path)).toHaveLength(3);
    const random = seededRandom(1);
    let states = 0;
    for (let step = 1; step <= plain.steps + 1; step++) {
      const disk = new SimDisk();
      disk.crashAtStep(step);
      const ledger: Ledger = { views: [], acknowledged: 0 };
      await run(disk, ledger).catch((error: unknown) => {
        if (!(error instanceof SimCrash)) throw error;
      });
      for (const { disk: survivor } of disk.survivors({ limit: 25, random })) {
        states++;
        const shelf = await Shelf.open(survivor);
        const seen = await gathered(scanEntries(await shelf.segments()));
        const possible = ledger.views.slice(Math.max(0, ledger.acknowledged - 1));
        expect(possible.length === 0 ? [[]] : possible).toContainEqual(seen);
        // And goes on.
        const table = new Memtable();
        table.put(plainEntry(utf8("later"), 1_000));
        await shelf.flush(table);
        const after = await gathered(scanEntries(await shelf.segments()));
        expect(after).toHaveLength(seen.length + 1);
        await shelf.manifest.close();
      }
    }
    expect(states).toBeGreaterThan(500);
  }, 60_000);
});
