/** Segments for tests, by few words. */

import { type DiskFile, SimDisk } from "../../disk/index.ts";
import type { Entry } from "../entry.ts";
import { BlockCache } from "../segment/block-cache.ts";
import { openSegment, type Segment } from "../segment/segment.ts";
import { type SegmentSummary, SegmentWriter } from "../segment/segment-writer.ts";

export const folder = "/store";

export interface TestSegment {
  readonly disk: SimDisk;
  readonly summary: SegmentSummary;
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface TestSegmentOptions {
  readonly fileId?: number;
  readonly disk?: SimDisk;
  readonly blockBytes?: number;
  readonly sections?: ReadonlyMap<number, Uint8Array>;
}

export async function written(entries: readonly Entry[], options: TestSegmentOptions = {}): Promise<TestSegment> {
  const { fileId = 7, disk = new SimDisk(), blockBytes = 1_024 } = options;
  await disk.makeFolder(folder);
  const writer = await SegmentWriter.create({ disk, folder, name: `${fileId}.segment`, fileId, blockBytes });
  for (const entry of entries) await writer.add(entry);
  for (const [type, bytes] of options.sections ?? []) await writer.addSection(type, [bytes]);
  const summary = await writer.finish();
  const path = `${folder}/${summary.name}`;
  return { disk, summary, path, bytes: await disk.readFile(path) };
}

export async function opened(
  { disk, summary }: Pick<TestSegment, "disk" | "summary">,
  options: { readonly cacheBytes?: number; readonly isExpected?: boolean; readonly readsNow?: boolean } = {},
): Promise<Segment> {
  const { cacheBytes = 2 ** 20, isExpected = true, readsNow } = options;
  const { name, fileId } = summary;
  const cache = new BlockCache({ limitBytes: cacheBytes });
  const expected = isExpected ? summary : undefined;
  return await openSegment({ disk, folder, name, fileId, cache, expected, readsNow });
}

/** The same segment with other bytes, on a disk of its own. */
export async function withBytes({ summary }: TestSegment, bytes: Uint8Array): Promise<SimDisk> {
  const disk = new SimDisk();
  await disk.makeFolder(folder);
  await disk.writeFile(`${folder}/${summary.name}`, bytes);
  return disk;
}

/** The same disk, with each file changed as it is opened. */
export function withFiles(disk: SimDisk, change: (file: DiskFile) => void): SimDisk {
  return new Proxy(disk, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name, target);
      if (name !== "open") return typeof found === "function" ? found.bind(target) : found;
      return async (...parameters: Parameters<SimDisk["open"]>) => {
        const file = await target.open(...parameters);
        change(file);
        return file;
      };
    },
  });
}
