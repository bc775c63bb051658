import { join } from "node:path";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { HoldfastError, seededRandom, utf8Text } from "../../base/index.ts";
import { faults, SimDisk } from "../../disk/index.ts";
import { ContentFile } from "../content/content-file.ts";
import { ContentWriter } from "../content/content-writer.ts";
import type { ContentHandle } from "../content/index.ts";
import { fileName } from "../manifest/names.ts";
import type { ManifestFile } from "../manifest/state.ts";
import { contentFile } from "../testing/manifests.ts";
import { salvageContent } from "./salvage-content.ts";

const folder = "/store";

/** A file as compaction leaves it: some of its own, some of another file's, with rows left out. */
async function made() {
  const disk = new SimDisk();
  await disk.makeFolder(folder);
  const random = seededRandom(2);
  const file: ManifestFile = { ...contentFile(7), level: 0 };
  const path = join(folder, fileName(file));
  const writer = await ContentWriter.create(disk, folder, path, 7);
  const handles: ContentHandle[] = [];
  const texts = Array.from({ length: 9 }, (_, place) => `content ${place} `.repeat(Math.floor(random() * 12)));
  for (const [place, text] of texts.entries()) {
    const content = new TextEncoder().encode(text);
    if (place >= 5) handles.push(await writer.add(content));
    else {
      const handle = { file: 3 + (place % 2), row: place * 7, length: content.length, checksum: crc32(content) };
      await writer.copy(handle, content);
      handles.push(handle);
    }
  }
  const { sizeBytes } = await writer.finish();
  return { disk, file: { ...file, sizeBytes }, path, handles, texts, bytes: await disk.readFile(path) };
}

describe("a salvaged content file", () => {
  it("S8: has every content but the one that was hit, whichever byte was flipped, and never another one", async () => {
    const { disk, file, path, handles, texts, bytes } = await made();
    let whole = 0;
    for (let place = 0; place < bytes.length; place++) {
      const damaged = bytes.slice();
      damaged[place] ^= 1 << (place % 8);
      await disk.writeFile(path, damaged);
      const salvage = await salvageContent({ disk, folder, file, newFileId: 20 + place });
      const name = fileName({ id: 20 + place, kind: "content" });
      const found = await ContentFile.open(disk, join(folder, name), 20 + place);
      expect(found.sizeBytes).toBe(salvage.file?.sizeBytes);
      let refused = 0;
      for (const [number, handle] of handles.entries()) {
        try {
          expect(utf8Text(await found.read(handle))).toBe(texts[number]);
        } catch (error) {
          if (!HoldfastError.is(error)) throw error;
          expect(error.code).toBe("STORE_CONTENT_CORRUPT");
          refused++;
        }
      }
      expect(refused).toBeLessThanOrEqual(1);
      expect(salvage.contents).toBe(handles.length - refused);
      if (refused === 0) whole++;
      await found.close();
      await disk.remove(join(folder, name));
    }
    expect(whole).toBeGreaterThan(200);
  });

  it("S8: of a cut, a foreign or a missing file has what is there, or is none, and leaves nothing behind", async () => {
    const { disk, file, path, bytes } = await made();
    const counts = new Set<number>();
    for (let size = 0; size < bytes.length; size += 53) {
      await disk.writeFile(path, bytes.subarray(0, size));
      counts.add((await salvageContent({ disk, folder, file, newFileId: 1_000 + size })).contents);
    }
    expect([...counts].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await disk.writeFile(path, bytes);
    await disk.rename(path, join(folder, fileName({ id: 8, kind: "content" })));
    for (const id of [7, 8]) {
      const salvage = await salvageContent({ disk, folder, file: { ...file, id }, newFileId: 5_000 });
      expect(salvage).toEqual({ file: undefined, contents: 0 });
    }
    expect((await disk.list(folder)).some(({ name }) => name.includes("5000"))).toBe(false);
    const full = disk.restarted({ faults: [faults.failWrite({ code: "ENOSPC", path: /6000/ })] });
    await full.writeFile(path, bytes);
    await expect(salvageContent({ disk: full, folder, file, newFileId: 6_000 })).rejects.toMatchObject({
      code: "DISK_FULL",
    });
    expect((await full.list(folder)).some(({ name }) => name.includes("6000"))).toBe(false);
  });
});
