import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore } from "../../src/store/index.ts";
import { holdfast, newFolder, removeFolder } from "./command-line.ts";

let root: string;
let folder: string;

beforeEach(async () => {
  root = newFolder();
  folder = join(root, "memory");
  await using store = await openStore({ folder, contentFromBytes: 1_024 });
  const notes = await store.collection("notes", { vectors: { dimension: 2, metric: "l2" } });
  for (let place = 0; place < 40; place++) {
    const content = place === 7 ? "x".repeat(5_000) : { text: `number ${place}` };
    const edges = place === 0 ? [{ type: "next", target: "n1", weight: 0.5 }] : [];
    await notes.put(`n${place}`, { content, embedding: Float32Array.of(place, 1), edges }, { durability: "visible" });
  }
  await store.flush();
  await notes.delete("n3");
});

afterEach(() => removeFolder(root));

function spoil(ending: string, place = 0.2): string {
  const name = readdirSync(folder).find((one) => one.endsWith(ending))!;
  const path = join(folder, name);
  const bytes = readFileSync(path);
  bytes[Math.floor(bytes.length * place)]! ^= 0xff;
  writeFileSync(path, bytes);
  return path;
}

const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

describe("holdfast store", { timeout: 120_000 }, () => {
  it("S11: get, scan, search and stats say what is in it, and change nothing", async () => {
    const before = filesIn();
    expect((await holdfast(["store", "get", folder, "notes", "n7"])).stdout.trim()).toBe("x".repeat(5_000));
    const item = json((await holdfast(["store", "get", folder, "notes", "n1", "--json"])).stdout);
    expect(item).toMatchObject({ id: "n1", content: { text: "number 1" }, embedding: [1, 1] });
    const scanned = (await holdfast(["store", "scan", folder, "notes", "--prefix", "n3"])).stdout.trim().split("\n");
    expect(scanned).toEqual(Array.from({ length: 10 }, (_, place) => `n3${place}`));
    const found = await holdfast(["store", "search", folder, "notes", "--vector", "[4.2, 1]", "--k", "2", "--json"]);
    expect((json(found.stdout).hits as { id: string }[]).map(({ id }) => id)).toEqual(["n4", "n5"]);
    const stats = await holdfast(["store", "stats", folder]);
    expect(stats.exitCode).toBe(0);
    expect(stats.stdout).toContain("notes (2 × l2)");
    expect(filesIn()).toEqual(before);
  });

  it("S11: what is not there, and words that it does not know, are named, and the next command said", async () => {
    const gone = await holdfast(["store", "get", folder, "notes", "n3"]);
    expect(gone.exitCode).toBe(4);
    expect(gone.stderr).toContain("STORE_NOT_FOUND");
    expect(gone.stderr).toContain("store scan");
    for (const args of [["verify"], ["compact"], ["stats"], ["backup", "b"]]) {
      const [verb = "", ...rest] = args;
      const missing = await holdfast(["store", verb, join(root, "nothing"), ...rest]);
      expect([verb, missing.exitCode, missing.stderr.includes("STORE_MISSING")]).toEqual([verb, 4, true]);
    }
    expect(readdirSync(root)).toEqual(["memory"]);
    expect((await holdfast(["store", "mend", folder])).exitCode).toBe(2);
    expect((await holdfast(["store", "verify", folder, "--yes"])).exitCode).toBe(2);
    const unknown = await holdfast(["store", "scan", folder, "people"]);
    expect([unknown.exitCode, unknown.stderr.includes("STORE_COLLECTION")]).toEqual([2, true]);
    await using _open = await openStore({ folder });
    const locked = await holdfast(["store", "stats", folder]);
    expect([locked.exitCode, locked.stderr.includes(`${process.pid}`)]).toEqual([5, true]);
  });

  it("S11: a backup is restored, a dump is loaded, and both say the same", async () => {
    const dumped = (await holdfast(["store", "dump", folder])).stdout;
    const file = join(root, "dump.jsonl");
    writeFileSync(file, dumped);
    const backedUp = await holdfast(["store", "backup", folder, join(root, "backup")]);
    expect([backedUp.exitCode, backedUp.stdout.trim()]).toEqual([0, join(root, "backup")]);
    const opened = await holdfast(["store", "stats", join(root, "backup")]);
    expect(opened.stderr).toContain("STORE_IS_BACKUP");
    const restored = await holdfast(["store", "restore", join(root, "backup"), join(root, "restored")]);
    expect(restored.exitCode).toBe(0);
    expect((await holdfast(["store", "verify", join(root, "restored")])).exitCode).toBe(0);
    expect((await holdfast(["store", "dump", join(root, "restored")])).stdout).toBe(dumped);
    const loaded = await holdfast(["store", "load", join(root, "loaded"), file, "--json"]);
    expect(json(loaded.stdout)).toEqual({ collections: 1, items: 39, edges: 1, expired: 0 });
    const again = (await holdfast(["store", "dump", join(root, "loaded")])).stdout;
    const plain = (text: string): string[] =>
      text
        .split("\n")
        .slice(0, -2)
        .map((line) => line.replace(/"version":\d+,/, "").replace(/"updatedMs":\d+,?/, ""));
    expect(plain(again)).toEqual(plain(dumped));
    const twice = await holdfast(["store", "load", join(root, "loaded"), file]);
    expect([twice.exitCode, twice.stderr.includes("--merge")]).toEqual([1, true]);
    writeFileSync(file, dumped.replace("number 5", "number 6"));
    const changed = await holdfast(["store", "load", join(root, "other"), file]);
    expect([changed.exitCode, changed.stderr.includes("checksum")]).toEqual([1, true]);
  });

  it("S8: verify names the damage, compact salvages, and the loss is named until it is accepted", async () => {
    expect((await holdfast(["store", "verify", folder])).exitCode).toBe(0);
    const path = spoil(".segment");
    const verified = await holdfast(["store", "verify", folder]);
    expect(verified.exitCode).toBe(1);
    expect(verified.stdout).toContain(`loss: segment, ${path} at offset `);
    const read = await holdfast(["store", "scan", folder, "notes"]);
    expect([read.exitCode, read.stderr.includes("STORE_SEGMENT_CORRUPT")]).toEqual([1, true]);
    const compacted = await holdfast(["store", "compact", folder, "--json"]);
    expect(compacted.exitCode).toBe(0);
    expect(json(compacted.stdout).lost).toMatchObject([{ path, offset: expect.any(Number) }]);
    const lost = await holdfast(["store", "scan", folder, "notes"]);
    expect([lost.exitCode, lost.stderr.includes("STORE_LOST")]).toEqual([1, true]);
    expect((await holdfast(["store", "scan", folder, "notes", "--skip-lost"])).exitCode).toBe(0);
    expect((await holdfast(["store", "accept-loss", folder])).exitCode).toBe(2);
    expect((await holdfast(["store", "accept-loss", folder, "--yes"])).stdout).toContain(path);
    expect((await holdfast(["store", "scan", folder, "notes"])).exitCode).toBe(0);
    expect((await holdfast(["store", "verify", folder])).exitCode).toBe(0);
  });
});

/** All but who holds it. */
function filesIn(): string[] {
  const names = readdirSync(folder).filter((name) => !name.includes("lock") && name !== "log");
  return names.map((name) => `${name}: ${readFileSync(join(folder, name)).toString("latin1")}`);
}
