/**
 * What is held, from the outside in: a compaction of the content log, then the store's entries (the turn of a manifest
 * edit), then files. Nobody who holds what stands further in can ask for what stands further out, because it cannot
 * even name it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../../src/store");

/** Paths within src/store that the sources below these paths import, types left out: a type holds nothing. */
function importsOf(...paths: readonly string[]): string[] {
  return paths.flatMap((path) =>
    sourcesIn(path).flatMap((source) => {
      const text = readFileSync(join(root, source), "utf8");
      return [...text.matchAll(/^(?:import|export) (?!type )[^;]*? from "(\.[^"]+)";/gms)].map(([, from]) =>
        join(source, "..", from!),
      );
    }),
  );
}

function sourcesIn(path: string): string[] {
  if (path.endsWith(".ts")) return [path];
  const names = readdirSync(join(root, path), { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(".ts") && !/\.test\.ts$|^testing\//.test(name))
    .map((name) => join(path, name));
}

const outward = (imports: readonly string[], ...outside: readonly string[]): string[] =>
  imports.filter((path) => outside.some((one) => path.startsWith(one)));

describe("what is held", () => {
  it("S10: files reach neither entries nor the content log", () => {
    const files = importsOf("segment", "content/content-file.ts", "content/content-writer.ts", "file-output.ts");
    expect(files.length).toBeGreaterThan(20);
    expect(outward(files, "manifest", "engine", "compaction", "content/content-log.ts")).toEqual([]);
  });

  it("S10: entries reach no content log", () => {
    const entries = importsOf("manifest", "memtable", "merge");
    expect(entries.length).toBeGreaterThan(20);
    expect(outward(entries, "engine", "compaction", "content")).toEqual([]);
  });

  it("S10: the content log knows entries by its catalog alone", () => {
    const content = importsOf("content");
    expect(content).toContain("content/content-file.ts");
    expect(outward(content, "manifest", "engine", "compaction", "segment", "merge")).toEqual([]);
  });
});
