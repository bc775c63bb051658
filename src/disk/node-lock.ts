/**
 * A lock on a path that dies with its holder.
 *
 * Plain "remove the stale lock, make mine" lets two takers remove one another's lock. Here each owner makes a new
 * generation, and the newest generation is never removed, only followed:
 *
 *     NAME.lock.7   (dead holder, or released)
 *     NAME.lock.8   <- made by an exclusive hard link; exactly one taker can make it
 *
 * A taker that finds the newest holder alive fails. One that wins its link and still sees a newer generation (it was
 * asleep in between) has lost and looks again. A holder is named by pid, start time and boot, so that a pid used again
 * by another program, or the same file after a reboot, does not look alive.
 */

import { randomUUID } from "node:crypto";
import { link, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { HoldfastError } from "../base/index.ts";
import type { DiskLock } from "./disk.ts";
import { diskError, systemCodeOf } from "./disk-error.ts";

interface Holder {
  readonly pid: number;
  readonly started: string;
  readonly boot: string;
  readonly released: boolean;
}

const triesLimit = 100;

export async function takeLock(path: string): Promise<DiskLock> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.lock.`;
  try {
    for (let attempt = 0; attempt < triesLimit; attempt++) {
      const newest = await newestGeneration(folder, prefix);
      if (newest > 0) await refuseIfAlive(path, join(folder, `${prefix}${newest}`));
      const mine = join(folder, `${prefix}${newest + 1}`);
      if (!(await makeExclusive(mine, await ownHolder(false)))) continue;
      if ((await newestGeneration(folder, prefix)) !== newest + 1) {
        await rm(mine, { force: true });
        continue;
      }
      await removeOlder(folder, prefix, newest + 1);
      return new HeldLock(path, mine);
    }
  } catch (cause) {
    throw diskError("lock", path, cause);
  }
  throw new HoldfastError("DISK_LOCKED", `cannot lock ${path}: other processes keep taking it`, { retryable: true });
}

class HeldLock implements DiskLock {
  readonly path: string;
  readonly #file: string;
  #held = true;

  constructor(path: string, file: string) {
    this.path = path;
    this.#file = file;
  }

  async release(): Promise<void> {
    if (!this.#held) return;
    this.#held = false;
    try {
      const released = `${this.#file}.${randomUUID()}.tmp`;
      await writeFile(released, JSON.stringify(await ownHolder(true)));
      await rename(released, this.#file);
    } catch (cause) {
      throw diskError("unlock", this.path, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

async function newestGeneration(folder: string, prefix: string): Promise<number> {
  return Math.max(0, ...(await generations(folder, prefix)));
}

async function generations(folder: string, prefix: string): Promise<number[]> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(prefix));
  return names
    .map((name) => name.slice(prefix.length))
    .filter((text) => /^[1-9][0-9]{0,14}$/.test(text))
    .map(Number);
}

async function removeOlder(folder: string, prefix: string, kept: number): Promise<void> {
  for (const generation of await generations(folder, prefix)) {
    if (generation < kept) await rm(join(folder, `${prefix}${generation}`), { force: true });
  }
}

/** Makes the file with its whole content at once; false where it is already there. */
async function makeExclusive(path: string, holder: Holder): Promise<boolean> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  await writeFile(temporary, JSON.stringify(holder));
  try {
    await link(temporary, path);
    return true;
  } catch (cause) {
    if (systemCodeOf(cause) === "EEXIST") return false;
    throw cause;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function refuseIfAlive(path: string, file: string): Promise<void> {
  const holder = await readHolder(file);
  if (holder === undefined || holder.released || !(await isAlive(holder))) return;
  const whose = holder.pid === process.pid ? "this process" : `process ${holder.pid}`;
  throw new HoldfastError("DISK_LOCKED", `cannot lock ${path}: ${whose} holds it`, {
    hint: "Wait for that process to end, or choose another folder.",
    retryable: true,
    details: { path, pid: holder.pid },
  });
}

/** undefined where the file is gone or was left unreadable by a power cut: nobody alive wrote it. */
async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    const value = JSON.parse(await readFile(file, "utf8")) as Partial<Holder> | null;
    if (value === null || typeof value !== "object" || !Number.isSafeInteger(value.pid)) return undefined;
    return {
      pid: value.pid ?? 0,
      started: `${value.started}`,
      boot: `${value.boot}`,
      released: value.released === true,
    };
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT" || cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

async function ownHolder(released: boolean): Promise<Holder> {
  return { pid: process.pid, started: (await startOf(process.pid)) ?? "", boot: await bootId(), released };
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.boot !== (await bootId())) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (cause) {
    if (systemCodeOf(cause) === "ESRCH") return false;
  }
  const started = await startOf(holder.pid);
  return started === undefined || started === holder.started;
}

/** When a process started, in the kernel's own count; "" for one that is dead but not yet collected. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? "" : fields[19];
  } catch {
    return undefined;
  }
}

async function bootId(): Promise<string> {
  try {
    return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  } catch {
    return "";
  }
}
