import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { HoldfastError, utf8, utf8Text } from "../base/index.ts";
import { NodeDisk } from "../disk/index.ts";
import { openWal } from "../wal/index.ts";
import { hashHex } from "./content-hash.ts";
import { type Forge, type ForgeOptions, openForge, readLedger, storeFolder, unitKeyOf } from "./index.ts";
import { encodeRecord, type RecordEvent } from "./record.ts";
import { textToolchain } from "./testing/text-toolchain.ts";

const disk = new NodeDisk();
const open = (stateDir: string, more: Partial<ForgeOptions> = {}): Promise<Forge> =>
  openForge({ stateDir, toolchain: textToolchain, cells: 1, ...more });

async function kept(folder: string, bytes: Uint8Array): Promise<string> {
  await disk.makeFolder(folder);
  await disk.writeFile(join(folder, hashHex(bytes)), bytes);
  return hashHex(bytes);
}

/** As version 1 of the state folder had it: a job that is done, one that is not, a unit whose object was lost. */
async function earlierState(): Promise<string> {
  const stateDir = mkdtempSync(join(tmpdir(), "holdfast-earlier-"));
  await using wal = await openWal({ disk, folder: join(stateDir, "wal") });
  const write = (event: RecordEvent) => wal.append(encodeRecord(1_000, event));
  const options = await kept(join(stateDir, "blobs"), new Uint8Array(0));
  const accepted = async (text: string): Promise<string> => {
    const modelHash = await kept(join(stateDir, "blobs"), utf8(text));
    const jobId = hashHex(JSON.stringify(["text", "1", "STANDARD", modelHash, options]));
    const names = { name: text, strategy: "STANDARD", toolchainName: "text", toolchainVersion: "1" };
    await write({ case: "jobAccepted", value: { jobId, modelHash, optionsHash: options, ...names } });
    return jobId;
  };
  const compiled = async (line: string, compilations: number): Promise<RecordEvent> => {
    const objectHash = await kept(join(stateDir, "objects"), utf8(line.toUpperCase()));
    const unitKey = unitKeyOf(textToolchain, { hash: line, name: "", spec: utf8(line) });
    return { case: "unitCompiled", value: { unitKey, unitHash: line, unitName: "a line", objectHash, compilations } };
  };
  const done = await accepted("a\nb");
  await accepted("c\nb");
  await write(await compiled("a", 0));
  const lost = await compiled("b", 0);
  await write(lost);
  if (lost.case === "unitCompiled") await write({ case: "objectLost", value: { unitKey: lost.value.unitKey ?? "" } });
  const bytes = utf8("A\nB");
  const files = [
    { path: "out.txt", hash: await kept(join(stateDir, "blobs"), bytes), sizeBytes: BigInt(bytes.length) },
  ];
  await write({ case: "jobFinished", value: { jobId: done, status: "done", files, units: 2 } });
  return stateDir;
}

async function leftOver(stateDir: string): Promise<string[]> {
  const names: string[] = [];
  for (const folder of await disk.list(stateDir))
    if (folder.name !== "store")
      for (const { name } of await disk.list(join(stateDir, folder.name))) names.push(`${folder.name}/${name}`);
  return names;
}

async function expectTakenOver(stateDir: string): Promise<void> {
  {
    await using forge = await open(stateDir);
    expect(forge.jobs()).toMatchObject([
      { name: "a\nb", state: "done", units: 2, acceptedMs: 1_000 },
      { name: "c\nb", state: "accepted" },
    ]);
    const delivered = await (await forge.submit({ model: utf8("a\nb"), name: "again" })).result();
    expect([delivered.fromCache, utf8Text(delivered.files[0]!.bytes)]).toEqual([true, "A\nB"]);
    const [resumed] = forge.resume();
    expect(utf8Text((await resumed!.result()).files[0]!.bytes)).toBe("C\nB");
  }
  expect(await leftOver(stateDir)).toEqual([]);
  const units = (await readLedger(disk, storeFolder(stateDir))).units();
  expect(new Map(units.map(({ hash, compilations }) => [hash, compilations]))).toEqual(
    new Map([
      ["a", 1],
      ["b", 2],
      ["c", 1],
    ]),
  );
  await using forge = await open(stateDir);
  expect(forge.jobs().map(({ state }) => state)).toEqual(["done", "done"]);
}

describe("a state folder of before the store", () => {
  it("F3: is taken over: jobs in their order, what was compiled, what was delivered", async () => {
    await expectTakenOver(await earlierState());
  });

  it("F3: is taken over as well after that was cut off", async () => {
    for (const steps of [0, 1, 2, 4]) {
      const stateDir = await earlierState();
      let left = steps;
      const failing = new (class extends NodeDisk {
        override async readFile(...args: Parameters<NodeDisk["readFile"]>): Promise<Uint8Array> {
          if (args[0].includes("store")) return await super.readFile(...args);
          if (left-- <= 0) throw new HoldfastError("DISK_FAILED", "the power is off");
          return await super.readFile(...args);
        }
      })();
      await expect(open(stateDir, { disk: failing })).rejects.toMatchObject({ code: "DISK_FAILED" });
      await expectTakenOver(stateDir);
    }
    for (const call of ["rename", "remove"]) {
      const stateDir = await earlierState();
      const failing = new (class extends NodeDisk {
        override async rename(from: string, to: string): Promise<void> {
          if (call === "rename" && to.endsWith("taken-over"))
            throw new HoldfastError("DISK_FAILED", "the power is off");
          await super.rename(from, to);
        }
        override async remove(path: string): Promise<void> {
          if (call === "remove" && path.includes("blobs")) throw new HoldfastError("DISK_FAILED", "the power is off");
          await super.remove(path);
        }
      })();
      await expect(open(stateDir, { disk: failing })).rejects.toMatchObject({ code: "DISK_FAILED" });
      await expectTakenOver(stateDir);
    }
  });

  it("F3: an earlier version that was used in between adds to what is here, and takes nothing away", async () => {
    const stateDir = await earlierState();
    await expectTakenOver(stateDir);
    {
      await using forge = await open(stateDir);
      await (await forge.submit({ model: utf8("z"), name: "new" })).result();
    }
    const earlier = await earlierState();
    for (const name of ["wal", "blobs", "objects"]) {
      await disk.makeFolder(join(stateDir, name));
      for (const file of await disk.list(join(earlier, name)))
        await disk.writeFile(join(stateDir, name, file.name), await disk.readFile(join(earlier, name, file.name)));
    }
    await using forge = await open(stateDir);
    expect(forge.jobs().map(({ name, state }) => [name, state])).toEqual([
      ["a\nb", "done"],
      ["c\nb", "done"],
      ["new", "done"],
    ]);
    expect(await leftOver(stateDir)).toEqual([]);
  });
});
