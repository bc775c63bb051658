import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { hexOf, utf8, utf8Text } from "../base/index.ts";
import { frameHeaderBytes, hashOf } from "./binary-format.ts";
import { entryType } from "./frame.ts";
import { logFilePath } from "./log-file-name.ts";
import { disk, newFolder, reopen, textsOf, writeTexts } from "./testing/log-text.ts";

describe("binary frames", () => {
  it("W1: have the header of the format, byte by byte", async () => {
    const folder = newFolder();
    await writeTexts(folder, ["hello"]);
    const bytes = await disk.readFile(logFilePath(folder, 1));
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const at = Number(view.getBigUint64(100, true));
    expect(utf8Text(bytes.subarray(at, at + 8))).toBe("ESPERWAL");
    expect(view.getUint32(at + 8, true)).toBe(2);
    expect(view.getUint32(at + 12, true)).toBe(0x12345678);
    expect(hexOf(bytes.subarray(at + 16, at + 32))).toBe("00".repeat(16));
    expect(view.getBigUint64(at + 32, true)).toBe(1n);
    expect(view.getBigUint64(at + 40, true)).toBe(view.getBigUint64(40, true));
    expect(Number(view.getBigUint64(at + 48, true) / 1_000_000_000n)).toBeGreaterThan(1_600_000_000);
    expect(view.getUint32(at + 56, true)).toBe(entryType.records);
    expect(view.getBigUint64(at + 60, true)).toBe(9n);
    const payload = bytes.slice(at + 256, at + 265);
    expect(bytes.slice(at + 68, at + 100)).toEqual(new Uint8Array(hashOf(payload)));
    expect(view.getBigUint64(at + 100, true)).toBe(BigInt(at + 512));
    const header = bytes.slice(at, at + frameHeaderBytes);
    header.fill(0, 108, 112);
    expect(view.getUint32(at + 108, true)).toBe(crc32(header));
    expect(bytes.slice(at + 112, at + 144)).toEqual(new Uint8Array(hashOf(bytes.subarray(0, 256))));
    expect(view.getBigUint64(at + 144, true)).toBe(BigInt(at));
    expect(view.getBigUint64(at + 152, true)).toBe(BigInt(at));
    expect(view.getBigUint64(at + 160, true)).toBe(1n);
    expect(view.getUint32(at + 172, true)).toBe(1);
    expect(hexOf(bytes.subarray(at + 176, at + 256))).toBe("00".repeat(80));
    expect(view.getUint32(at + 256, true)).toBe(5);
    expect(utf8Text(bytes.subarray(at + 260, at + 265))).toBe("hello");
    expect(view.getUint32(at + 512 + 56, true)).toBe(entryType.seal);
    expect(bytes.length).toBe(at + 512 + 256);
  });

  it.each([
    ["version", 8, 3],
    ["byte order", 12, 0x78563412],
    ["layout", 168, 0],
  ])("W1: of another %s are refused by name", async (_, offset, value) => {
    const folder = newFolder();
    await writeTexts(folder, ["hello"]);
    const bytes = await disk.readFile(logFilePath(folder, 1));
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    view.setUint32(offset, value, true);
    view.setUint32(108, 0, true);
    view.setUint32(108, crc32(bytes.subarray(0, 256)), true);
    await disk.writeFile(logFilePath(folder, 1), bytes);
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_VERSION" });
  });

  it("W3: entries that are appended side by side share a frame", async () => {
    const folder = newFolder();
    const { wal } = await reopen(folder);
    const texts = Array.from({ length: 100 }, (_, place) => `entry ${place}`);
    await Promise.all(texts.map((text) => wal.append(utf8(text))));
    expect(wal.statistics.writtenBytes).toBeLessThan(2_000);
    await wal.close();
    expect(await textsOf(folder)).toEqual(texts);
  });
});
