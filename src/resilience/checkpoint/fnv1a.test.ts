import { expect, it } from "vitest";
import { fnv1a64, seededRandom, utf8 } from "../../base/index.ts";
import { fnv1a64Of } from "./fnv1a.ts";

it("R10: FNV-1a 64 gives its published values, and those of the plain form for all lengths", () => {
  expect(fnv1a64Of(utf8(""))).toBe(0xcbf29ce484222325n);
  expect(fnv1a64Of(utf8("a"))).toBe(0xaf63dc4c8601ec8cn);
  expect(fnv1a64Of(utf8("foobar"))).toBe(0x85944171f73967e8n);
  const random = seededRandom(1);
  for (let length = 0; length < 300; length++) {
    const bytes = Uint8Array.from({ length }, () => random() * 256);
    expect(fnv1a64Of(bytes)).toBe(fnv1a64(bytes));
    expect(fnv1a64Of(bytes.fill(0xff))).toBe(fnv1a64(bytes));
  }
});
