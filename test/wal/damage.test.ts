/**
 * Damage to a log that was closed in order, of every kind that leaves its files readable. `npm run fuzz:wal -- --flips`
 * changes every single byte; here it is every few, from another start each day.
 */
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/index.ts";
import { type ExampleLog, makeExample } from "./example-log.ts";
import { flipBytes } from "./flips.ts";
import { differenceOf, faultOf, openedOutcome, outcomeOf, salvageFault } from "./judge.ts";
import { contentEnd, type Format, type FrameBytes, framesOf, replaced, spliced } from "./log-bytes.ts";
import { type Files, MemoryDisk } from "./memory-disk.ts";

const stride = 13;
const today = Math.floor(systemClock.nowMs() / 86_400_000);
const formats: readonly Format[] = ["binary", "json"];

const logFiles = (files: Files): string[] => [...files.keys()].filter((path) => /\.(wal|jsonl)$/.test(path)).sort();
const bytesOf = (files: Files, { path, from, to }: FrameBytes): Uint8Array => files.get(path)!.slice(from, to);

/** What is wrong with reading, opening or salvaging these files; empty where nothing is. */
async function faultsOf(files: Files, log: ExampleLog): Promise<string[]> {
  const faults = [
    faultOf(await outcomeOf(new MemoryDisk(files)), log.entries, files),
    faultOf(await openedOutcome(files), log.entries, files),
    await salvageFault(new MemoryDisk(files), log.entries),
  ];
  return faults.filter((fault) => fault !== undefined);
}

describe.each(formats)("a damaged log, %s", (format) => {
  it("W6: with any byte changed gives the right entries or says where it is damaged", async () => {
    const log = await makeExample({ format, seed: 1 });
    const { flips, refused, faults } = await flipBytes(log, { stride, start: today });
    expect(faults.slice(0, 5), `every ${stride}th byte from ${today % stride} on`).toEqual([]);
    expect(flips).toBeGreaterThan(4_000);
    // Almost all: what is not refused lies behind the last entry.
    expect(refused / flips).toBeGreaterThan(0.95);
  });

  it("W6: with any two frames of a size swapped", async () => {
    const log = await makeExample({ format, seed: 2, rounds: 8 });
    const frames = framesOf(log.files, format);
    let [swaps, refused] = [0, 0];
    for (const [place, one] of frames.entries()) {
      for (const other of frames.slice(place + 1)) {
        if (one.to - one.from !== other.to - other.from) continue;
        const put = (files: Files, where: FrameBytes, what: FrameBytes): Files =>
          replaced(files, where.path, spliced(files.get(where.path)!, where.from, where.to, bytesOf(log.files, what)));
        const files = put(put(log.files, one, other), other, one);
        const outcome = await outcomeOf(new MemoryDisk(files));
        expect(
          faultOf(outcome, log.entries, files),
          `${one.path} ${one.from}, ${other.path} ${other.from}`,
        ).toBeUndefined();
        if (outcome.kind === "refused") refused++;
        swaps++;
      }
    }
    expect(swaps).toBeGreaterThan(50);
    // But for a seal with what stands right before it and holds no entry.
    expect(swaps - refused).toBeLessThan(3);
  });

  it("W5: with a frame of another log in the place of its own", async () => {
    const log = await makeExample({ format, seed: 3, rounds: 8 });
    const other = await makeExample({ format, seed: 4, rounds: 8 });
    const frames = framesOf(log.files, format);
    const others = framesOf(other.files, format);
    let spliceCount = 0;
    for (const frame of frames) {
      const same = others.find(({ path, from, to }) => path === frame.path && from === frame.from && to === frame.to);
      if (same === undefined) continue;
      const bytes = spliced(log.files.get(frame.path)!, frame.from, frame.to, bytesOf(other.files, same));
      const files = replaced(log.files, frame.path, bytes);
      expect(await faultsOf(files, log), `${frame.path} ${frame.from}`).toEqual([]);
      spliceCount++;
    }
    // Binary frames have the same places in both; lines differ in length by what their payloads need.
    expect(spliceCount).toBeGreaterThan(format === "binary" ? 40 : 0);
  });

  it("W5: with the end of another log behind its own beginning, gives no entry of the other", async () => {
    const log = await makeExample({ format, seed: 5, rounds: 8 });
    const other = await makeExample({ format, seed: 6, rounds: 8 });
    const last = logFiles(log.files).at(-1)!;
    const frames = framesOf(log.files, format).filter(({ path }) => path === last);
    for (const { from } of frames.slice(1)) {
      const rest = other.files.get(last)!.slice(from);
      const files = replaced(log.files, last, spliced(log.files.get(last)!, from, Number.POSITIVE_INFINITY, rest));
      const outcome = await openedOutcome(files);
      if (outcome.kind === "refused") continue;
      // All that followed is gone, as in a file that was cut there: nothing can show more, but that is told.
      expect(differenceOf(outcome.entries, log.entries.slice(0, outcome.entries.length))).toBeUndefined();
      expect(outcome.torn || outcome.entries.length === log.entries.length, `from ${from}`).toBe(true);
    }
  });

  it("W6: with a file missing, doubled under another number, or cut short", async () => {
    const log = await makeExample({ format, seed: 7 });
    const paths = logFiles(log.files);
    expect(paths.length).toBeGreaterThan(2);
    for (const path of paths.slice(0, -1)) {
      const without = new Map(log.files);
      without.delete(path);
      expect((await outcomeOf(new MemoryDisk(without))).kind, `without ${path}`).toBe("refused");
      expect(await faultsOf(without, log), `without ${path}`).toEqual([]);
      const bytes = log.files.get(path)!;
      for (const cut of [1, 300, 5_000].filter((count) => count < contentEnd(bytes))) {
        const files = replaced(log.files, path, bytes.slice(0, contentEnd(bytes) - cut));
        expect((await outcomeOf(new MemoryDisk(files))).kind, `${path} without ${cut} bytes`).toBe("refused");
        expect(await faultsOf(files, log)).toEqual([]);
      }
    }
    const next = paths[0]!.replace(/\d{8}/, String(paths.length + 1).padStart(8, "0"));
    for (const path of paths) {
      for (const target of [...paths, next].filter((one) => one !== path)) {
        const files = replaced(log.files, target, log.files.get(path)!);
        expect(await faultsOf(files, log), `${path} as ${target}`).toEqual([]);
      }
    }
  });

  it("W6: whose last file is cut gives a beginning of its entries, whole ones", async () => {
    const log = await makeExample({ format, seed: 8, rounds: 8 });
    const last = logFiles(log.files).at(-1)!;
    const bytes = log.files.get(last)!;
    for (let size = 0; size < contentEnd(bytes); size += 97) {
      const outcome = await openedOutcome(replaced(log.files, last, bytes.slice(0, size)));
      if (outcome.kind === "refused") continue;
      expect(differenceOf(outcome.entries, log.entries.slice(0, outcome.entries.length)), `${size}`).toBeUndefined();
    }
  });
});
