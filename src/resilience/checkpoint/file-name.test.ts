import { describe, expect, it } from "vitest";
import { fileNameOf, isTemporaryName, parseFileName, reservedNameOf, temporaryNameOf } from "./file-name.ts";

describe("names of checkpoint files", () => {
  it("R10: belong to one id and version, also where file names do not tell case", () => {
    const ids = ["a", "A", "aA", "Aa", "a.b", "a-b", "a_b", "0", "Z".repeat(64)];
    const names = ids.flatMap((id) => [1, 10, Number.MAX_SAFE_INTEGER].map((version) => ({ id, version })));
    const written = names.map(({ id, version }) => fileNameOf(id, version));
    expect(new Set(written.map((name) => name.toLowerCase())).size).toBe(names.length);
    expect(written.map(parseFileName)).toEqual(names.map((name) => ({ kind: "checkpoint", ...name })));
    const reserved = names.map(({ id, version }) => reservedNameOf(id, version));
    expect(reserved.map(parseFileName)).toEqual(names.map((name) => ({ kind: "reserved", ...name })));
    for (const name of written) expect(temporaryNameOf(name, "0".repeat(32)).length).toBeLessThan(255);
  });

  it("are not read out of others", () => {
    for (const name of [
      "a@1.checkpoint",
      "a@0000000000000000.checkpoint",
      "A@0000000000000001.checkpoint",
      "writer.lock.1",
    ])
      expect(parseFileName(name)).toBeUndefined();
    expect(parseFileName("=@0000000000000001.checkpoint")).toBeUndefined();
  });

  it("tell what a writer left from what others keep", () => {
    expect(isTemporaryName(temporaryNameOf(fileNameOf("a", 1), "0123456789abcdef".repeat(2)))).toBe(true);
    for (const name of ["writer.lock.1.6d9c.tmp", ".a.tmp", fileNameOf("a", 1)])
      expect(isTemporaryName(name)).toBe(false);
  });
});
