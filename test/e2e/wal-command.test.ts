import { openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { NodeDisk } from "../../src/disk/index.ts";
import { openWal } from "../../src/wal/index.ts";
import { holdfast, newFolder, removeFolder } from "./command-line.ts";

const disk = new NodeDisk();

async function newLog(format: "binary" | "json" = "binary"): Promise<string> {
  const folder = newFolder();
  await using wal = await openWal({ disk, folder, format });
  for (const text of ["first", "second", "third"]) await wal.append(new TextEncoder().encode(text));
  const transaction = wal.begin(new TextEncoder().encode("context"));
  transaction.append(new TextEncoder().encode("fourth"));
  await transaction.commit();
  return folder;
}

function damage(folder: string, text: string): void {
  const path = join(folder, "00000001.wal");
  const at = readFileSync(path).indexOf(text);
  writeSync(openSync(path, "r+"), "X", at);
}

describe("holdfast wal", () => {
  it.each(["binary", "json"] as const)(
    "W8: inspect prints every frame, verify what the log holds (%s)",
    async (format) => {
      const folder = await newLog(format);
      const inspected = await holdfast(["wal", "inspect", folder]);
      expect(inspected.exitCode).toBe(0);
      const kinds = inspected.stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.split(/ +/)[1]);
      expect(kinds).toEqual(["file", "records", "records", "records", "begin", "data", "commit", "seal"]);
      const lines = (await holdfast(["wal", "inspect", folder, "--json"])).stdout.trimEnd().split("\n");
      expect(lines.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual(kinds);
      const verified = await holdfast(["wal", "verify", folder, "--json"]);
      expect(verified.exitCode).toBe(0);
      expect(JSON.parse(verified.stdout)).toMatchObject({
        format,
        entries: 4,
        sealed: true,
        lost: [],
        firstSequence: 1,
      });
      removeFolder(folder);
    },
  );

  it("W8: verify names the damage and fails; repair saves the rest into a copy, once it is told to", async () => {
    const folder = await newLog();
    damage(folder, "second");
    const before = readFileSync(join(folder, "00000001.wal"));
    const verified = await holdfast(["wal", "verify", folder]);
    expect(verified.exitCode).toBe(1);
    expect(verified.stdout).toMatch(/damaged: .*00000001\.wal at offset \d+, 512 bytes, sequence numbers 2 to 2/);
    const copy = join(folder, "copy");
    const unasked = await holdfast(["wal", "repair", folder, "--out", copy]);
    expect(unasked.exitCode).toBe(2);
    expect(unasked.stderr).toContain("--yes");
    const repaired = await holdfast(["wal", "repair", folder, "--out", copy, "--yes"]);
    expect(repaired.exitCode).toBe(0);
    expect(repaired.stderr).toContain("sequence numbers 2 to 2");
    expect(repaired.stdout.trim()).toBe(copy);
    expect((await holdfast(["wal", "verify", copy])).exitCode).toBe(0);
    const texts: [number, string][] = [];
    const onEntry = (entry: { sequence: number; payload: Uint8Array }): void =>
      void texts.push([entry.sequence, new TextDecoder().decode(entry.payload)]);
    await (await openWal({ disk, folder: copy, onEntry })).close();
    expect(texts).toEqual([
      [1, "first"],
      [3, "third"],
      [5, "fourth"],
    ]);
    expect(readFileSync(join(folder, "00000001.wal"))).toEqual(before);
    const again = await holdfast(["wal", "repair", folder, "--out", copy, "--yes"]);
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain("WAL_EXISTS");
    removeFolder(folder);
  });

  it("W8: a folder without a log, and words that it does not know, are named", async () => {
    const folder = newFolder();
    const missing = await holdfast(["wal", "verify", folder]);
    expect(missing.exitCode).toBe(4);
    expect(missing.stderr).toContain("WAL_MISSING");
    expect((await holdfast(["wal", "mend"])).exitCode).toBe(2);
    expect((await holdfast(["wal", "verify", folder, "--yes"])).exitCode).toBe(2);
    removeFolder(folder);
  });
});
