/**
 * Damage that no power cut does: bits that rot, frames and files of another log, files that are gone. A log that was
 * closed is read in full or refused; of one that was not, the end may be missing too, if recovery says so.
 */

import { HoldfastError } from "../../src/base/index.ts";
import { SimDisk } from "../../src/disk/index.ts";
import { type Entry, printed } from "./ledger.ts";
import { openLog, runScript, type Script, type Settings } from "./workload.ts";

export class DamageChecks {
  /** Damaged logs that were opened. */
  states = 0;
  problem: string | undefined;

  async all(settings: Settings, stride = 1): Promise<void> {
    await this.#rot(settings, stride);
    await this.#foreignFrames(settings);
    await this.#foreignTail(settings);
    await this.#files(settings);
  }

  /** Every byte, closed and not. */
  async #rot(settings: Settings, stride: number): Promise<void> {
    for (const workload of [
      ["append", "group", "transaction"],
      ["append", "rotate", "append", "reopen"],
    ] as const) {
      for (const isClosed of [true, false]) {
        const { disk, entries } = await logOf({ ...settings, workload }, isClosed);
        for (const { path, bytes } of [...disk.files()]) {
          for (let place = 0; place < bytes.length; place += stride) {
            const damaged = bytes.slice();
            damaged[place] = (damaged[place] ?? 0) ^ (1 << (place % 8));
            const what = `${path} with bit ${place % 8} of byte ${place} flipped, ${isClosed ? "closed" : "not closed"}`;
            await this.#expect(settings, what, await changed(disk, path, damaged), entries, !isClosed);
          }
        }
      }
    }
  }

  /** Frames of another log, each right in itself and in its place, in place of some of this one. */
  async #foreignFrames(settings: Settings): Promise<void> {
    const workload = ["append", "append", "append", "append"] as const;
    const [own, other] = [
      await logOf({ ...settings, workload }, true),
      await logOf({ ...settings, workload }, true, 7),
    ];
    const [ownFile, otherFile] = [[...own.disk.files()][0], [...other.disk.files()][0]];
    if (ownFile === undefined || otherFile === undefined) throw new Error("a log has a file");
    const frames = frameStarts(ownFile.bytes, settings);
    for (let from = 1; from < frames.length; from++) {
      for (let to = from + 1; to < frames.length; to++) {
        const bytes = ownFile.bytes.slice();
        const [start, end] = [frames[from] ?? 0, frames[to] ?? 0];
        bytes.set(otherFile.bytes.subarray(start, end), start);
        const what = `frames ${from} to ${to - 1} of another log`;
        const disk = await changed(own.disk, ownFile.path, bytes);
        await this.#expect(settings, what, disk.restarted(), own.entries, false);
        await this.#expectSalvage(settings, what, disk, own.entries);
      }
    }
  }

  /** Behind the end of a log that was not closed, what another log left there proves nothing. */
  async #foreignTail(settings: Settings): Promise<void> {
    const own = await logOf({ ...settings, workload: ["append", "append"] }, false);
    const other = await logOf({ ...settings, workload: ["append", "append", "append", "append"] }, false, 7);
    const [ownFile, otherFile] = [[...own.disk.files()][0], [...other.disk.files()][0]];
    if (ownFile === undefined || otherFile === undefined) throw new Error("a log has a file");
    const end = frameStarts(ownFile.bytes, settings)[3] ?? contentBytes(ownFile.bytes);
    const bytes = otherFile.bytes.slice();
    bytes.set(ownFile.bytes.subarray(0, end));
    const disk = await changed(own.disk, ownFile.path, bytes);
    this.states++;
    try {
      const { entries } = await openLog(disk, settings, { generation: 90 });
      if (printed(entries) !== printed(own.entries)) this.#note(settings, "a foreign tail", `read ${printed(entries)}`);
    } catch (error) {
      this.#note(settings, "a foreign tail", `refused: ${String(error)}`);
    }
  }

  /** A file that is gone, empty, or stands in place of another. */
  async #files(settings: Settings): Promise<void> {
    const workload = ["append", "rotate", "append", "rotate", "append"] as const;
    const own = await logOf({ ...settings, workload }, true);
    const other = await logOf({ ...settings, workload }, true, 7);
    const [files, others] = [[...own.disk.files()], [...other.disk.files()]];
    for (const [place, { path, bytes }] of files.entries()) {
      for (const [from, { bytes: wrong }] of [...others, ...files].entries()) {
        if (wrong === bytes || Buffer.compare(wrong, bytes) === 0) continue;
        const disk = await changed(own.disk, path, wrong);
        await this.#expect(settings, `file ${from} in place of ${path}`, disk, own.entries, false);
      }
      const empty = await changed(own.disk, path, new Uint8Array(0));
      await this.#expect(settings, `${path} empty`, empty, own.entries, false);
      if (place === files.length - 1) continue;
      const disk = own.disk.restarted();
      await disk.remove(path);
      await this.#expect(settings, `${path} gone`, disk, own.entries, false);
    }
  }

  async #expect(
    settings: Settings,
    what: string,
    disk: SimDisk,
    wanted: readonly Entry[],
    mayEnd: boolean,
  ): Promise<void> {
    this.states++;
    try {
      const { wal, entries } = await openLog(disk, settings, { generation: 90 });
      const isWhole = printed(entries) === printed(wanted);
      const isBeginning = printed(entries) === printed(wanted.slice(0, entries.length));
      if (isWhole || (mayEnd && isBeginning && wal.recovery.torn !== undefined)) return;
      this.#note(settings, what, `read [${printed(entries)}] of [${printed(wanted)}], and nothing was said`);
    } catch (error) {
      if (!HoldfastError.is(error)) this.#note(settings, what, `untyped: ${String(error)}`);
    }
  }

  /** Salvage delivers nothing that is not of this log. */
  async #expectSalvage(settings: Settings, what: string, disk: SimDisk, wanted: readonly Entry[]): Promise<void> {
    this.states++;
    try {
      const { entries } = await openLog(disk, settings, { generation: 90, recovery: "salvage" });
      const own = new Set(wanted.map((entry) => printed([entry])));
      const strange = entries.filter((entry) => !own.has(printed([entry])));
      if (strange.length > 0) this.#note(settings, `${what}, salvaged`, `read [${printed(strange)}] of another log`);
    } catch (error) {
      this.#note(settings, `${what}, salvaged`, String(error));
    }
  }

  #note({ format, durability }: Settings, what: string, problem: string): void {
    this.problem ??= `${format}, ${durability}: ${what}: ${problem}`;
  }
}

/** A log after this script; `seed` tells one log from another. */
async function logOf(
  script: Script,
  isClosed: boolean,
  seed = 0,
): Promise<{ readonly disk: SimDisk; readonly entries: readonly Entry[] }> {
  const disk = new SimDisk();
  const run = await runScript(disk, { ...script, seed });
  if (isClosed) await run.wal?.close();
  return { disk: disk.restarted(), entries: run.ledger.groups.flatMap(({ entries }) => entries) };
}

async function changed(disk: SimDisk, path: string, bytes: Uint8Array): Promise<SimDisk> {
  const copy = disk.restarted();
  await copy.writeFile(path, bytes);
  return copy;
}

function frameStarts(bytes: Uint8Array, { format }: Settings): number[] {
  const start = format === "binary" ? "ESPERWAL" : '{"lsn":';
  const text = Buffer.from(bytes).toString("latin1");
  return [...text.matchAll(new RegExp(start, "g"))].map(({ index }) => index);
}

function contentBytes(bytes: Uint8Array): number {
  return bytes.findLastIndex((byte) => byte !== 0) + 1;
}
