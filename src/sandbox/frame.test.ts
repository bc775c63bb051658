import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, HoldfastError, utf8 } from "../base/index.ts";
import { type Frame, FrameDecoder, FrameType, frameHeader } from "./frame.ts";
import { failureNote, jobParts, readFailure, readJob } from "./message.ts";

const limitBytes = 4_096;

function encoded(type: FrameType, job: number, parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes([frameHeader(type, job, parts), ...parts]);
}

function decoded(chunks: readonly Uint8Array[]): Frame[] {
  const decoder = new FrameDecoder(limitBytes);
  return chunks.flatMap((chunk) => [...decoder.push(chunk)]);
}

describe("frames", () => {
  it("X1: come out as they went in, wherever the stream is cut", () => {
    const body = fc.uint8Array({ maxLength: 300 });
    const frame = fc.record({ job: fc.nat(), body });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 5 }), fc.integer({ min: 1, max: 40 }), (frames, step) => {
        const stream = concatBytes(frames.map(({ job, body }) => encoded(FrameType.reply, job, [body])));
        const chunks: Uint8Array[] = [];
        for (let place = 0; place < stream.length; place += step) chunks.push(stream.subarray(place, place + step));
        const out = decoded(chunks).map(({ job, body }) => ({ job, body }));
        expect(out).toEqual(frames);
      }),
    );
  });

  it("X1: with any one bit wrong are refused or still waited for, never believed", () => {
    const good = encoded(FrameType.reply, 7, [utf8("payload")]);
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = Uint8Array.from(good);
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => decoded([bad]), `bit ${bit}`).toThrow(HoldfastError);
    }
  });

  it("X1: over the limit are refused before their body arrives", () => {
    const header = frameHeader(FrameType.reply, 1, [new Uint8Array(limitBytes + 1024 * 1024 + 1)]);
    expect(() => decoded([header])).toThrow(/over the limit/);
    const note = frameHeader(FrameType.error, 1, [new Uint8Array(1024 * 1024 + 1)]);
    expect(() => decoded([note])).toThrow(/over the limit/);
  });
});

describe("messages", () => {
  it("a job carries its kind and payload", () => {
    const body = concatBytes(jobParts("compile-ü", Uint8Array.of(1, 2, 3)));
    expect(readJob(body)).toEqual({ kind: "compile-ü", payload: Uint8Array.of(1, 2, 3) });
  });

  it("X1: a failure crosses with code, hint and details, and one that is not is refused", () => {
    const thrown = new HoldfastError("TENSOR_SHAPE", "no", { hint: "look", details: { rank: 2 } });
    expect(readFailure(failureNote(thrown, false)).error).toMatchObject({ code: "TENSOR_SHAPE", hint: "look" });
    expect(readFailure(failureNote(new RangeError("Array buffer allocation failed"), false)).dataLimit).toBe(true);
    for (const text of ["", "null", "[]", '{"error":{}}', '{"error":{"code":1,"message":"","details":{}}}', "{"]) {
      expect(() => readFailure(utf8(text)), text).toThrow(HoldfastError);
    }
  });

  it("X1: whatever is thrown can be described", () => {
    const cyclic: Record<string, unknown> = {};
    cyclic["self"] = cyclic;
    const odd = [null, undefined, 1n, Symbol("s"), Object.create(null), cyclic, { toString: () => 1 }, "x".repeat(1e6)];
    for (const thrown of odd) expect(readFailure(failureNote(thrown, false)).error.message.length).toBeLessThan(20_000);
    const details = new HoldfastError("CELL_X", "y", { details: { big: 1n as unknown as number } });
    expect(readFailure(failureNote(details, true)).fatal).toBe(true);
  });
});
