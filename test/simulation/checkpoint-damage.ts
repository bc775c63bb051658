/** What no power cut does: bits that rot, files cut off or in another one's place, writers side by side. */

import { HoldfastError, utf8, utf8Text } from "../../src/base/index.ts";
import { SimDisk } from "../../src/disk/index.ts";
import { checkpoints, localCheckpoints } from "../../src/resilience/checkpoint/index.ts";
import { checkpointFolder as folder } from "./checkpoint-script.ts";

export class CheckpointDamage {
  /** Damaged folders that were looked at. */
  states = 0;
  problem: string | undefined;

  /** Every byte of the newest file's first 16, which every format has, and every `stride`-th one after them. */
  async all(stride: number): Promise<void> {
    const disk = await folderWith({ a: ["one", "two", "three"], b: ["other", "others", "another"] });
    const [newest, older, foreign] = ["a@0000000000000003", "a@0000000000000002", "b@0000000000000003"].map(
      (name) => `${folder}/${name}.checkpoint`,
    ) as [string, string, string];
    const bytes = await disk.readFile(newest);
    for (let place = 0; place < bytes.length; place += place < 16 ? 1 : stride) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = bytes.slice();
        flipped[place] = flipped[place]! ^ (1 << bit);
        await this.#expect(`bit ${bit} of byte ${place} flipped`, await changed(disk, newest, flipped));
      }
      await this.#expect(`cut off at ${place}`, await changed(disk, newest, bytes.slice(0, place)));
    }
    await this.#expect("a byte longer", await changed(disk, newest, Uint8Array.of(...bytes, 0)));
    await this.#expect("the version before", await changed(disk, newest, await disk.readFile(older)));
    await this.#expect("another component's", await changed(disk, newest, await disk.readFile(foreign)));
    await this.#expectNone(await changed(await changed(disk, newest, utf8("")), older, bytes));
  }

  /** Two that write one folder: one process at a time; and in one process, one of two with one expectation. */
  async writers(): Promise<void> {
    const disk = new SimDisk();
    const backend = localCheckpoints({ disk, folder });
    const both = [0, 1].map((place) => {
      const kept = checkpoints({ backend });
      kept.register({ id: "a", save: () => utf8(`${place}`), restore: () => undefined });
      return kept;
    });
    for (const expectedVersion of [0, 1, 2]) {
      const calls = both.map((kept) => kept.checkpoint("a", { expectedVersion }));
      const won = (await Promise.allSettled(calls)).filter(({ status }) => status === "fulfilled").length;
      if (won !== 1) this.#note(`${won} of 2 writers followed version ${expectedVersion}`);
      this.states++;
    }
    const stale = await both[0]!.checkpoint("a", { expectedVersion: 1 }).catch((error: unknown) => error);
    if (!(HoldfastError.is(stale) && stale.code === "CHECKPOINT_CONFLICT")) this.#note("a stale expectation was met");
    const second = await localCheckpoints({ disk, folder })
      .list("a")
      .catch((error: unknown) => error);
    if (!(HoldfastError.is(second) && second.code === "DISK_LOCKED")) this.#note("a second writer was let in");
  }

  async #expect(what: string, disk: SimDisk): Promise<void> {
    this.states++;
    const { version, text, fellBack, error } = await restored(disk);
    if (error !== undefined) return this.#note(`${what}: ${String(error)}`);
    if (version === 2 && text === "two" && fellBack === 1) return;
    this.#note(`${what}: version ${version}, "${text}", ${fellBack} passed over`);
  }

  async #expectNone(disk: SimDisk): Promise<void> {
    this.states++;
    const { error } = await restored(disk);
    if (!(HoldfastError.is(error) && error.code === "CHECKPOINT_DAMAGED")) this.#note(`none is good: ${String(error)}`);
  }

  #note(problem: string): void {
    this.problem ??= problem;
  }
}

interface Outcome {
  readonly version?: number;
  readonly text?: string;
  readonly fellBack?: number;
  readonly error?: unknown;
}

async function restored(disk: SimDisk): Promise<Outcome> {
  await using kept = checkpoints({ backend: localCheckpoints({ disk, folder }), keep: 2 });
  let text = "";
  kept.register({ id: "a", save: () => utf8(""), restore: (state) => void (text = utf8Text(state)) });
  try {
    const { version, fellBack } = await kept.restore("a");
    return { version, text, fellBack: fellBack.length };
  } catch (error) {
    return { error };
  }
}

async function folderWith(texts: Readonly<Record<string, readonly string[]>>): Promise<SimDisk> {
  const disk = new SimDisk();
  await using kept = checkpoints({ backend: localCheckpoints({ disk, folder }), keep: 2 });
  for (const [id, states] of Object.entries(texts)) {
    for (const state of states) {
      using _registration = kept.register({ id, save: () => utf8(state), restore: () => undefined });
      await kept.checkpoint(id);
    }
  }
  return disk;
}

async function changed(disk: SimDisk, path: string, bytes: Uint8Array): Promise<SimDisk> {
  const copy = disk.restarted();
  await copy.writeFile(path, bytes);
  return copy;
}
