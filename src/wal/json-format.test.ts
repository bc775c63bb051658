import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { utf8, utf8Text } from "../base/index.ts";
import { readWal } from "./index.ts";
import { logFilePath, walFormats } from "./log-file-name.ts";
import { disk, newFolder, reopen, textsOf, writeTexts } from "./testing/log-text.ts";

describe("lines of JSON", () => {
  it("W2: are one an entry, name themselves, and carry text as text and their own checksum", async () => {
    const folder = newFolder();
    const { wal } = await reopen(folder, { format: "json" });
    await wal.append(utf8('grüße "quoted"\n'));
    await wal.append(Uint8Array.of(0, 255));
    await wal.appendAll([utf8("a"), utf8("b")]);
    await wal.close();
    const text = utf8Text(await disk.readFile(logFilePath(folder, 1, walFormats.json)));
    const lines = text.trimEnd().split("\n");
    const values = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(values.map(({ lsn, type }) => [lsn, type])).toEqual([
      [1, "file"],
      [1, "records"],
      [2, "records"],
      [3, "records"],
      [5, "seal"],
    ]);
    expect(values.slice(1, 4).map(({ data }) => data)).toEqual([
      ['grüße "quoted"\n'],
      [{ base64: "AP8=" }],
      ["a", "b"],
    ]);
    let offset = 0;
    for (const [place, line] of lines.entries()) {
      const [before, crc] = line.split(/,"crc":"(?=[0-9a-f]{8}"\}$)/);
      expect(crc).toBe(
        `${crc32(Buffer.from(before ?? ""))
          .toString(16)
          .padStart(8, "0")}"}`,
      );
      expect(values[place]?.at).toBe(offset);
      offset += Buffer.byteLength(line) + 1;
    }
  });

  it("W2: give back every byte that was appended", async () => {
    const folder = newFolder();
    const { wal } = await reopen(folder, { format: "json" });
    const payloads = [
      Uint8Array.from({ length: 256 }, (_, byte) => byte),
      new Uint8Array(0),
      utf8("\ufeffbyte order mark"),
      utf8("line\r\nbreaks\tand \u2028"),
      Uint8Array.of(0xed, 0xa0, 0x80),
      utf8("x".repeat(100_000)),
    ];
    for (const payload of payloads) await wal.append(payload);
    await wal.close();
    const read: Uint8Array[] = [];
    for await (const entry of readWal(disk, folder)) read.push(entry.payload);
    expect(read).toEqual(payloads);
  });

  it("W2: of another version are refused by name", async () => {
    const folder = newFolder();
    await writeTexts(folder, ["hello"], { format: "json" });
    const path = logFilePath(folder, 1, walFormats.json);
    const [first = ""] = utf8Text(await disk.readFile(path)).split("\n");
    const changed = first.replace('"version":2', '"version":3').slice(0, -18);
    await disk.writeFile(path, utf8(`${changed},"crc":"${crc32(changed).toString(16).padStart(8, "0")}"}\n`));
    await expect(textsOf(folder)).rejects.toMatchObject({ code: "WAL_VERSION" });
  });
});
