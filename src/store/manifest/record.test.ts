import { describe, expect, it } from "vitest";
import { concatBytes } from "../../base/index.ts";
import { encodeEdit } from "./edit-codec.ts";
import { encodeEditRecords, linkAfter } from "./record.ts";
import { walkManifest } from "./walk.ts";

const first = encodeEdit({ edit: { add: [], values: {} }, nextFileId: 1 });
const second = encodeEdit({ edit: { values: { a: "b" } }, nextFileId: 1 });
const link = linkAfter(0, first);
const start = encodeEditRecords({ manifest: 3, offset: 0, number: 0, link: 0 }, first);
const wanted = { manifest: 3, offset: start.length, number: 1, link };

const walk = (place: typeof wanted): unknown =>
  walkManifest("m", 3, concatBytes([start, encodeEditRecords(place, second)])).state.values.get("a");

describe("a record of the manifest", () => {
  it("S8: is taken in its own place only: manifest, offset, number and link", () => {
    expect(walk(wanted)).toBe("b");
    for (const wrong of [{ number: 2 }, { number: 0 }, { link: link ^ 1 }])
      expect(() => walk({ ...wanted, ...wrong })).toThrow("STORE_MANIFEST_CORRUPT");
    // Of what is not bound to this place nothing says that it was ever durable here.
    for (const wrong of [{ offset: 0 }, { offset: start.length + 512 }, { manifest: 4 }])
      expect(walk({ ...wanted, ...wrong })).toBeUndefined();
  });

  it("S8: stands in two copies that share no sector", () => {
    for (const length of [0, 471, 472, 473, 5_000]) {
      const both = encodeEditRecords(wanted, new Uint8Array(length));
      expect(both.length % 1_024).toBe(0);
      expect(both.length).toBeGreaterThanOrEqual(2 * (length + 40));
    }
  });
});
