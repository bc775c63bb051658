import { describe, expect, it } from "vitest";
import { seededRandom, utf8, utf8Text } from "../base/index.ts";
import { type Disk, SimCrash, SimDisk } from "../disk/index.ts";
import { type Forge, openForge, readLedger, storeFolder } from "./index.ts";
import { textToolchain } from "./testing/text-toolchain.ts";

const stateDir = "/state";
// More units than one checkpoint waits for, and one that is too large for the log.
const lines = [...Array.from({ length: 13 }, (_, place) => `line ${place}`), "x".repeat(256 * 1024)];
const model = utf8(lines.join("\n"));

/** What was acknowledged before the power went. */
interface Told {
  isAccepted: boolean;
  isFinished: boolean;
}

function open(disk: Disk, compiled: string[]): Promise<Forge> {
  return openForge({
    ...{ stateDir, disk, toolchain: textToolchain, cells: 2 },
    createCells: () => ({
      async run({ payload }) {
        const line = utf8Text(payload);
        compiled.push(line);
        return { ok: true, payload: utf8(line.toUpperCase()), durationMs: 1 };
      },
      async [Symbol.asyncDispose]() {},
    }),
  });
}

async function live(disk: Disk, told: Told): Promise<void> {
  const forge = await open(disk, []);
  try {
    const handle = await forge.submit({ model, name: "text" });
    told.isAccepted = true;
    await handle.result();
    told.isFinished = true;
  } finally {
    await forge[Symbol.asyncDispose]();
  }
}

function refuseUnlessCrash(error: unknown): void {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause instanceof SimCrash) return;
  throw error;
}

describe("a power cut", () => {
  it("F3: at any step takes nothing that was acknowledged, and what the store knows as compiled stays so", async () => {
    const plain = new SimDisk();
    await live(plain, { isAccepted: false, isFinished: false });
    const random = seededRandom(1);
    let lives = 0;
    let inTheMiddle = 0;
    for (let step = 1; step <= plain.steps; step++) {
      const disk = new SimDisk();
      disk.crashAtStep(step);
      const told: Told = { isAccepted: false, isFinished: false };
      await live(disk, told).catch(refuseUnlessCrash);
      for (const { disk: survivor } of disk.survivors({ limit: 2, random })) {
        lives++;
        const known = (await readLedger(survivor, storeFolder(stateDir))).units().map(({ hash }) => hash);
        if (known.length > 0 && known.length < lines.length) inTheMiddle++;
        const compiled: string[] = [];
        const forge = await open(survivor, compiled);
        const resumed = forge.resume();
        if (told.isAccepted) expect(forge.jobs()).toHaveLength(1);
        if (told.isFinished) expect([resumed.length, forge.jobs()[0]?.state]).toEqual([0, "done"]);
        const { files, status } = await (await forge.submit({ model, name: "text" })).result();
        expect([status, utf8Text(files[0]!.bytes)]).toEqual(["done", lines.join("\n").toUpperCase()]);
        expect(compiled.sort()).toEqual(lines.filter((line) => !known.includes(line)).sort());
        await forge[Symbol.asyncDispose]();
        const units = (await readLedger(survivor, storeFolder(stateDir))).units();
        expect(units.map(({ compilations }) => compilations)).toEqual(lines.map(() => 1));
      }
    }
    expect(lives).toBeGreaterThan(plain.steps);
    expect(inTheMiddle).toBeGreaterThan(20);
  }, 120_000);
});
