import { crc32 as platformCrc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { crc32, HoldfastError, seededRandom } from "../../base/index.ts";
import { adoptVectorIndex, type VectorIndex, type VectorMetric, vectorIndex } from "./index.ts";
import { addAll, clustered } from "./testing/vectors.ts";

const vectors = clustered(60, 5, 1);
const options = { exactBelow: 0 } as const;

function small(metric: VectorMetric = "l2", quantisation: "none" | "int8" = "none"): VectorIndex {
  const index = vectorIndex({ dimension: 5, metric, quantisation, connectivity: 3, efConstruction: 10, ...options });
  addAll(index, vectors);
  index.step();
  index.delete(7);
  index.delete(31);
  return index;
}

function answers(index: VectorIndex) {
  return vectors.slice(0, 8).map((query) => index.search(query, { k: 6 }));
}

/** What adoption says of these bytes: an offset, or the index. */
function adopted(bytes: Uint8Array): number | VectorIndex {
  try {
    return adoptVectorIndex(bytes, options);
  } catch (error) {
    if (!HoldfastError.is(error) || error.code !== "STORE_VECTOR_CORRUPT") throw error;
    return error.details["offset"] as number;
  }
}

/** Makes all checksums right again, as who forges a file would. */
function sign(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 64; at < 64 + 7 * 24; at += 24) {
    const [offset, length] = [Number(view.getBigUint64(at, true)), Number(view.getBigUint64(at + 8, true))];
    const place = new DataView(new ArrayBuffer(16));
    place.setBigUint64(0, view.getBigUint64(40, true), true);
    place.setBigUint64(8, BigInt(offset), true);
    const section = bytes.subarray(offset, offset + Math.ceil(length / 64) * 64);
    view.setUint32(at + 16, crc32(section, crc32(new Uint8Array(place.buffer))), true);
  }
  view.setUint32(252, crc32(bytes.subarray(0, 252)), true);
}

describe("an index as bytes", () => {
  it.each([
    ["cosine", "none"],
    ["dot", "int8"],
    ["l2", "int8"],
  ] as const)(
    "S3: is the same index after it was adopted, and goes on as it would have: %s, %s",
    (metric, quantisation) => {
      const index = small(metric, quantisation);
      const bytes = index.serialise();
      const copy = adoptVectorIndex(bytes, options);
      expect(answers(copy)).toEqual(answers(index));
      expect([copy.size, copy.deleted, copy.has(7), copy.has(8)]).toEqual([58, 2, false, true]);
      expect(Buffer.compare(copy.serialise(), bytes)).toBe(0);
      for (const each of [index, copy]) {
        addAll(each, clustered(40, 5, 2), 100);
        each.add(7, vectors[7]!);
        each.delete(8);
        each.step();
      }
      expect(Buffer.compare(copy.serialise(), index.serialise())).toBe(0);
      expect(answers(copy)).toEqual(answers(index));
    },
  );

  it("leaves the bytes it was adopted from alone, wherever they lie", () => {
    const bytes = small().serialise();
    for (const odd of [new Uint8Array(bytes.length + 3).subarray(3), Buffer.alloc(bytes.length + 5).subarray(5)]) {
      odd.set(bytes);
      const copy = adoptVectorIndex(odd, options);
      expect(answers(copy)).toEqual(answers(small()));
      addAll(copy, vectors, 100);
      copy.delete(3);
      copy.step();
      expect(Buffer.compare(odd, bytes)).toBe(0);
    }
  });

  it("can be written before it is built, and empty", () => {
    const index = addAll(vectorIndex({ dimension: 5, metric: "l2", ...options }), vectors);
    index.step({ items: 20 });
    const copy = adoptVectorIndex(index.serialise(), options);
    expect(copy.pending).toBe(40);
    index.step();
    copy.step();
    expect(Buffer.compare(copy.serialise(), index.serialise())).toBe(0);
    expect(adoptVectorIndex(vectorIndex({ dimension: 1, metric: "dot" }).serialise()).size).toBe(0);
  });

  it("takes the platform's checksum, which is the same", () => {
    const checksum = (bytes: Uint8Array, seed: number): number => platformCrc32(bytes, seed);
    const bytes = small().serialise({ fileId: 5n, checksum });
    expect(Buffer.compare(bytes, small().serialise({ fileId: 5n }))).toBe(0);
    expect(adoptVectorIndex(bytes, { fileId: 5n, checksum }).size).toBe(58);
  });
});

describe("damaged bytes", () => {
  it.each(["none", "int8"] as const)(
    "S3: are noticed whichever bit of whichever byte has changed: %s",
    (quantisation) => {
      const bytes = small("l2", quantisation).serialise();
      for (let place = 0; place < bytes.length; place++) {
        const flipped = bytes.slice();
        flipped[place]! ^= 1 << (place % 8);
        expect(adopted(flipped), `byte ${place}`).toBeTypeOf("number");
      }
    },
  );

  it("S3: are noticed where they end too soon, or go on", () => {
    const bytes = small().serialise();
    for (let length = 0; length < bytes.length; length += 13)
      expect(adopted(bytes.subarray(0, length))).toBeTypeOf("number");
    const longer = new Uint8Array(bytes.length + 64);
    longer.set(bytes);
    expect(adopted(longer)).toBe(bytes.length);
  });

  it("S3: are noticed where a section is another's, of this file or of one with another id", () => {
    const [one, other] = [small().serialise({ fileId: 1n }), small().serialise({ fileId: 2n })];
    expect(() => adoptVectorIndex(one, { fileId: 2n })).toThrow("STORE_VECTOR_CORRUPT");
    // The columns are equal byte by byte, the checksums of the table are not.
    const mixed = one.slice();
    mixed.set(other.subarray(64, 64 + 7 * 24), 64);
    new DataView(mixed.buffer).setUint32(252, crc32(mixed.subarray(0, 252)), true);
    expect(() => adoptVectorIndex(mixed, { fileId: 1n })).toThrow("section vectors");
  });

  it("S3: forged to hold what cannot be compared are refused", () => {
    const bytes = small("l2", "int8").serialise();
    const codes = 256 + 60 * 64;
    const scaleOfRow0 = codes + 16;
    for (const [offset, value] of [
      [256, Number.NaN],
      [256 + 59 * 64, Number.POSITIVE_INFINITY],
      [260, 1e30],
      [scaleOfRow0, Number.NaN],
      [scaleOfRow0, -1],
      [scaleOfRow0 + 4, Number.POSITIVE_INFINITY],
    ] as const) {
      const forged = bytes.slice();
      new DataView(forged.buffer).setFloat32(offset, value, true);
      sign(forged);
      expect(adopted(forged)).toBe(256 + (offset === 256 + 59 * 64 ? 59 * 64 : 0));
    }
  });

  it("S3: forged so that all checksums are right cannot make a search crash, hang or read elsewhere", () => {
    const random = seededRandom(3);
    const originals = [small("cosine"), small("l2", "int8")].map((index) => index.serialise());
    const words = [0, 1, 2, 0xff, 59, 60, 61, 0x7fff_ffff, 0x7fc0_0000, 0xffff_fffe, 0xffff_ffff];
    let [refused, taken] = [0, 0];
    for (let turn = 0; turn < 1_500; turn++) {
      const bytes = originals[turn % 2]!.slice();
      const view = new DataView(bytes.buffer);
      for (let change = 0; change <= turn % 3; change++) {
        // Half of the changes go to the numbers of the header, which say how everything else is read.
        const limit = random() < 0.5 ? 64 : bytes.length;
        const word = random() < 0.7 ? words[Math.floor(random() * words.length)]! : Math.floor(random() * 2 ** 32);
        view.setUint32(Math.floor((random() * limit) / 4) * 4, word, true);
      }
      sign(bytes);
      const index = adopted(bytes);
      if (typeof index === "number") {
        refused++;
        continue;
      }
      taken++;
      const query = Float32Array.from({ length: index.dimension }, () => random() - 0.5);
      const { ids, visited } = index.search(query, { k: 9 });
      expect(ids.length).toBe(Math.min(9, index.size));
      expect(visited).toBeLessThan(1_000);
      index.add(4_000_000, query);
      index.step();
      expect(index.verify().unreachable).toHaveLength(0);
    }
    expect(Math.min(refused, taken)).toBeGreaterThan(100);
  });
});
