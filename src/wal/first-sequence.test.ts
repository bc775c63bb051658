import { describe, expect, it } from "vitest";
import { AssertionFailure, seededRandom, utf8, utf8Text } from "../base/index.ts";
import { SimDisk } from "../disk/index.ts";
import { openWal, readWal, verifyWal, type WalOptions } from "./index.ts";

const folder = "/log";

async function appended(disk: SimDisk, text: string, options: Partial<WalOptions> = {}): Promise<number> {
  await using wal = await openWal({ disk, folder, ...options });
  return await wal.append(utf8(text));
}

async function entriesOf(disk: SimDisk): Promise<[sequence: number, text: string][]> {
  const entries: [number, string][] = [];
  for await (const { sequence, payload } of readWal(disk, folder)) entries.push([sequence, utf8Text(payload)]);
  return entries;
}

describe.each(["binary", "json"] as const)("a log of the %s form that goes on above other numbers", (format) => {
  const firstSequence = 2 ** 40 + 7;

  it("S11: begins with the number that it is given, is sound, and goes on from there", async () => {
    const disk = new SimDisk();
    expect(await appended(disk, "a", { format, firstSequence })).toBe(firstSequence);
    expect(await appended(disk, "b")).toBe(firstSequence + 1);
    expect(await entriesOf(disk)).toEqual([
      [firstSequence, "a"],
      [firstSequence + 1, "b"],
    ]);
    expect(await verifyWal(disk, folder)).toMatchObject({ firstSequence, lost: [], torn: undefined, sealed: true });
  });

  it("S11: a log that is there goes on with it too, and never goes back", async () => {
    const disk = new SimDisk();
    expect(await appended(disk, "a", { format })).toBe(1);
    expect(await appended(disk, "b", { firstSequence: 900 })).toBe(900);
    expect(await appended(disk, "c", { firstSequence: 5 })).toBe(901);
    expect((await entriesOf(disk)).map(([, text]) => text)).toEqual(["a", "b", "c"]);
    expect((await verifyWal(disk, folder)).lost).toEqual([]);
  });

  it("S11: an empty one that was closed, or whose maker was killed at any step, begins with it as well", async () => {
    const closed = new SimDisk();
    await (await openWal({ disk: closed, folder, format, firstSequence })).close();
    expect(await appended(closed, "a")).toBe(firstSequence);
    let states = 0;
    for (let step = 1; ; step++) {
      const disk = new SimDisk();
      disk.crashAtStep(step);
      const made = await openWal({ disk, folder, format, firstSequence }).catch(() => undefined);
      for (const { disk: survivor } of disk.survivors({ limit: 20, random: seededRandom(step) })) {
        states++;
        expect(await appended(survivor, "a", { firstSequence })).toBeGreaterThanOrEqual(firstSequence);
      }
      if (made !== undefined) break;
    }
    expect(states).toBeGreaterThan(20);
  });

  it("S11: what is no sequence number is refused", async () => {
    for (const wrong of [0, -1, 1.5, 2 ** 52, Number.NaN])
      await expect(openWal({ disk: new SimDisk(), folder, firstSequence: wrong })).rejects.toThrow(AssertionFailure);
  });
});
