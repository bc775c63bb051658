import { createHash } from "node:crypto";
import { crc32 as platformCrc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { hexOf, utf8 } from "./bytes.ts";
import { crc32, fnv1a64, Sha256, sha256 } from "./checksum.ts";

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, place) => (place * 131 + (place >> 3)) & 0xff);
}

describe("checksums", () => {
  it("agree with the platform for every length around the block borders", () => {
    for (let length = 0; length < 200; length++) {
      const bytes = pattern(length);
      expect(hexOf(sha256(bytes))).toBe(createHash("sha256").update(bytes).digest("hex"));
      expect(crc32(bytes)).toBe(platformCrc32(bytes));
    }
  });

  it("do not depend on how the bytes are cut", () => {
    const bytes = pattern(5000);
    const pieces = new Sha256();
    for (let from = 0, size = 1; from < bytes.length; from += size, size = (size * 7) % 97) {
      size = Math.max(size, 1);
      pieces.update(bytes.subarray(from, from + size));
    }
    expect(hexOf(pieces.digest())).toBe(hexOf(sha256(bytes)));
    expect(crc32(bytes.subarray(1000), crc32(bytes.subarray(0, 1000)))).toBe(crc32(bytes));
  });

  it("give FNV-1a's published values, and its definition's for every length", () => {
    expect(fnv1a64(utf8(""))).toBe(0xcbf29ce484222325n);
    expect(fnv1a64(utf8("a"))).toBe(0xaf63dc4c8601ec8cn);
    expect(fnv1a64(utf8("foobar"))).toBe(0x85944171f73967e8n);
    for (let length = 0; length < 300; length++) {
      for (const bytes of [pattern(length), pattern(length).fill(0xff)]) {
        let hash = 0xcbf29ce484222325n;
        for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
        expect(fnv1a64(bytes)).toBe(hash);
      }
    }
  });
});
