/**
 * What the kernel says of a process, and the one way a process is ended.
 *
 * procfs is a view of the kernel, not a place where anything is stored, so it is read here and not through the door to
 * files. Reads are synchronous on purpose: a pid stays ours until its exit has been seen, and within one turn of the
 * event loop it cannot be.
 */

import { readFileSync } from "node:fs";

export interface ProcessMemory {
  readonly residentBytes: number;
  /** Private writable memory, what RLIMIT_DATA counts. */
  readonly dataBytes: number;
}

/** Undefined where the process is gone or the platform has no procfs. */
export function processMemory(pid: number): ProcessMemory | undefined {
  const status = readProcess(pid, "status");
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  const data = /^VmData:\s+(\d+) kB$/m.exec(status)?.[1];
  if (resident === undefined || data === undefined) return undefined;
  return { residentBytes: Number(resident) * 1024, dataBytes: Number(data) * 1024 };
}

/** Processor time of all threads. The kernel reports it in hundredths of a second. */
export function processorTimeMs(pid: number): number | undefined {
  const stat = readProcess(pid, "stat");
  // The name in parentheses may hold blanks; the fields after it are numbered from 3.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isFinite(ticks) && stat !== "" ? ticks * 10 : undefined;
}

/** Kills a process and all that stayed in its group, at once; it may be gone already. */
export function killGroup(pid: number): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, "SIGKILL");
    } catch {
      // No such process: what was wanted.
    }
  }
}

/** Kills what a process that has ended left in its group. */
export function killOrphans(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It left nobody.
  }
}

function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
