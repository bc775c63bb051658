import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { crc32, utf8 } from "../../base/index.ts";
import { encodeEnvelope, headerBytes, readEnvelope } from "./envelope.ts";

const wanted = { id: "Forge.units", version: 7 };
const nonce = Uint8Array.from({ length: 16 }, (_, place) => place + 1);
const state = utf8("a state of some length");
const { info, bytes } = encodeEnvelope(state, {
  ...wanted,
  parent: 5,
  createdMs: 1_700_000_000_000,
  formatVersion: 3,
  nonce,
});

function changed(at: number, ...values: readonly number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

/** As somebody would who knows the format: the header's CRC is right again. */
function sealed(copy: Uint8Array): Uint8Array {
  new DataView(copy.buffer).setUint32(headerBytes - 4, crc32(copy.subarray(0, headerBytes - 4)), true);
  return copy;
}

describe("the envelope", () => {
  it("R10: gives back what went in, with both checksums", () => {
    const reading = readEnvelope(bytes, wanted);
    expect(reading).toMatchObject({ verdict: "good", info });
    expect(reading.verdict === "good" && reading.state).toEqual(state);
    expect(info).toEqual({
      id: "Forge.units",
      version: 7,
      parent: 5,
      createdMs: 1_700_000_000_000,
      sizeBytes: state.length,
      formatVersion: 3,
      fnv1a64: "9a0ff30ea445d3e2",
      sha256: createHash("sha256")
        .update(Buffer.concat([bytes.subarray(0, 56), bytes.subarray(88, 188), state]))
        .digest("hex"),
    });
  });

  it("R10: is laid out as it is drawn", () => {
    const view = new DataView(bytes.buffer);
    expect(bytes.subarray(0, 8)).toEqual(Uint8Array.of(0x89, 0x48, 0x46, 0x43, 0x4b, 0x50, 13, 10));
    expect([view.getUint16(8, true), view.getUint16(10, true), view.getUint32(12, true)]).toEqual([1, 192, 3]);
    expect([16, 24, 32, 40].map((at) => Number(view.getBigUint64(at, true)))).toEqual([7, 5, 1_700_000_000_000, 22]);
    expect(bytes.subarray(88, 104)).toEqual(nonce);
    expect([bytes[104], bytes.subarray(105, 116)]).toEqual([11, utf8("Forge.units")]);
    expect(bytes.length).toBe(192 + state.length);
  });

  it("R10: takes no bit changed, no byte more and no byte less", () => {
    for (let place = 0; place < bytes.length; place++) {
      for (let bit = 0; bit < 8; bit++)
        expect(readEnvelope(changed(place, bytes[place]! ^ (1 << bit)), wanted).verdict).not.toBe("good");
      expect(readEnvelope(bytes.subarray(0, place), wanted).verdict).toBe("damaged");
    }
    expect(readEnvelope(Uint8Array.of(...bytes, 0), wanted).verdict).toBe("damaged");
  });

  it("R10: takes no other one for the one that is wanted", () => {
    expect(readEnvelope(bytes, { ...wanted, version: 8 })).toEqual({
      verdict: "damaged",
      reason: "it is version 7 of Forge.units",
    });
    expect(readEnvelope(bytes, { ...wanted, id: "forge.units" }).verdict).toBe("damaged");
  });

  it("R10: tells a format it does not know from damage", () => {
    expect(readEnvelope(sealed(changed(8, 2)), wanted)).toEqual({ verdict: "unknown-format", format: 2 });
    expect(readEnvelope(sealed(changed(8, 0)), wanted)).toEqual({ verdict: "unknown-format", format: 0 });
    expect(readEnvelope(changed(8, 2), wanted).verdict).toBe("damaged");
  });

  it("R10: takes nothing that is not in its one form, even where the header's CRC is right", () => {
    for (const copy of [
      changed(104, 12),
      changed(104, 65),
      changed(104, 0),
      changed(150, 1),
      changed(180, 1),
      changed(24, 7),
      changed(23, 1),
      changed(40, 21),
      changed(48, 1),
      changed(56, bytes[56]! ^ 1),
      changed(headerBytes, 1),
      changed(16, 6),
      changed(33, 1),
      changed(12, 4),
      changed(90, 0xff),
    ])
      expect(readEnvelope(sealed(copy), wanted).verdict).toBe("damaged");
  });
});
