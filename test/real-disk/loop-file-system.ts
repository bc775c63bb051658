/**
 * An ext4 file system in a file, on a loop device: one that may fail without harm to any other. Needs Linux and root.
 *
 * Everything is made below one temporary folder and taken down by `dispose`, in reverse order, whatever happened.
 */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const blockBytes = 4_096;

export interface LoopOptions {
  /** What the file system believes it has. */
  readonly sizeBytes: number;
  /** Keep the device's bytes in memory, and no more of them than this: a device that runs out of room beneath it. */
  readonly backingLimitBytes?: number;
}

/** ext4's: what is not yet in the journal is lost, or the journal is written first. */
export type ShutDown = "at once" | "after the journal";

export class LoopFileSystem {
  /** Where it is mounted. */
  readonly folder: string;
  /** Where the bytes of the device lie, on a file system of its own where that is limited. */
  readonly backing: string;
  readonly #root: string;
  readonly #undo: (() => void)[] = [];
  #device = "";
  #mounted = false;

  private constructor(root: string) {
    this.#root = root;
    this.folder = join(root, "mounted");
    this.backing = join(root, "backing");
  }

  static make({ sizeBytes, backingLimitBytes }: LoopOptions): LoopFileSystem {
    const made = new LoopFileSystem(mkdtempSync(join(tmpdir(), "holdfast-loop-")));
    try {
      made.#make(sizeBytes, backingLimitBytes);
      return made;
    } catch (error) {
      made.dispose();
      throw error;
    }
  }

  mount(): void {
    run("mount", this.#device, this.folder);
    this.#mounted = true;
  }

  unmount(): void {
    run("umount", this.folder);
    this.#mounted = false;
  }

  /** Stops the file system under whoever uses it; from then on everything fails. */
  shutDown(how: ShutDown): void {
    const flags = how === "at once" ? 2 : 1;
    const script = [
      "import fcntl, os, struct, sys",
      // EXT4_IOC_SHUTDOWN
      "fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', int(sys.argv[2])))",
    ];
    run("python3", "-c", script.join("\n"), this.folder, String(flags));
  }

  /** Takes all room that is left beneath the device; the returned function gives it back. */
  fillBacking(): () => void {
    const path = join(this.backing, "filler");
    let chunk = Buffer.alloc(1 << 20, 1);
    while (chunk.length >= 512) {
      try {
        writeFileSync(path, chunk, { flag: "a" });
      } catch {
        chunk = chunk.subarray(0, chunk.length >> 1);
      }
    }
    return () => rmSync(path);
  }

  dispose(): void {
    if (this.#mounted) attempt(() => this.unmount());
    for (const undo of this.#undo.reverse()) attempt(undo);
    attempt(() => rmSync(this.#root, { recursive: true, force: true }));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #make(sizeBytes: number, backingLimitBytes: number | undefined): void {
    mkdirSync(this.folder);
    mkdirSync(this.backing);
    if (backingLimitBytes !== undefined) {
      run("mount", "-t", "tmpfs", "-o", `size=${backingLimitBytes}`, "tmpfs", this.backing);
      this.#undo.push(() => run("umount", this.backing));
    }
    const image = join(this.backing, "image");
    writeFileSync(image, "");
    truncateSync(image, sizeBytes);
    run("mkfs.ext4", "-q", "-F", "-b", String(blockBytes), image);
    giveRoom(image);
    this.#device = run("losetup", "--find", "--show", image).trim();
    this.#undo.push(() => run("losetup", "--detach", this.#device));
    // Linux's loop device calls a write that was cut short a success: a device that lies outright, which nothing but
    // reading back could show. A write of one page at a time is done or fails.
    writeFileSync(`/sys/block/${basename(this.#device)}/queue/max_sectors_kb`, "4");
    this.mount();
  }
}

/** Writes the file system's own blocks, and the first of its data: only data can be without room later. */
function giveRoom(image: string): void {
  const journal = run("debugfs", "-R", "blocks <8>", image).match(/\d+/g) ?? [];
  const first = Array.from({ length: 512 }, (_, block) => block);
  const file = openSync(image, "r+");
  const bytes = Buffer.alloc(blockBytes);
  try {
    for (const block of [...first, ...journal.map(Number)]) {
      readSync(file, bytes, 0, blockBytes, block * blockBytes);
      writeSync(file, bytes, 0, blockBytes, block * blockBytes);
    }
  } finally {
    closeSync(file);
  }
}

/** Why there can be no such file system here, as a word for a title; undefined where there can. */
export function whyNoLoop(): string | undefined {
  if (process.platform !== "linux") return "only on Linux";
  if (process.getuid?.() !== 0) return "only as root";
  try {
    run("python3", "-c", "import fcntl");
    LoopFileSystem.make({ sizeBytes: 16 * 2 ** 20, backingLimitBytes: 32 * 2 ** 20 }).dispose();
    return undefined;
  } catch (error) {
    return `no loop devices here: ${String(error instanceof Error ? error.message : error).split("\n")[0]}`;
  }
}

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function attempt(work: () => void): void {
  try {
    work();
  } catch (error) {
    process.stderr.write(`left behind: ${String(error)}\n`);
  }
}
