/**
 * What of a file system voids the promises of a log (W7): kinds that keep nothing over a power cut, and mount options
 * that let the device lie about what it has written.
 */

import type { Disk, Mount } from "../disk/index.ts";

export interface DurabilityWarning {
  readonly code: "WAL_VOLATILE" | "WAL_NO_BARRIERS" | "WAL_WRITEBACK" | "WAL_REMOTE" | "WAL_UNKNOWN_FILE_SYSTEM";
  readonly message: string;
  /** What is at risk, and the mount option or the move that mends it. */
  readonly hint: string;
}

const journaled = new Set(["ext4", "ext3", "xfs", "btrfs", "zfs", "bcachefs", "f2fs", "apfs"]);
const volatile = new Set(["tmpfs", "ramfs", "devtmpfs"]);
const remote = new Set(["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "virtiofs", "ceph", "glusterfs"]);

export async function durabilityWarnings(disk: Disk, folder: string): Promise<DurabilityWarning[]> {
  const mount = await disk.mountOf(folder);
  return mount === undefined ? [] : warningsOf(mount);
}

export function warningsOf(mount: Mount): DurabilityWarning[] {
  const where = `${mount.folder} (${mount.fileSystem} on ${mount.device})`;
  const has = (...options: string[]): string | undefined => options.find((option) => mount.options.includes(option));
  const warnings: DurabilityWarning[] = [];
  if (volatile.has(mount.fileSystem)) {
    warnings.push({
      code: "WAL_VOLATILE",
      message: `the log lies in memory: ${where}`,
      hint: "Everything is lost when the machine stops. Keep the log on a disk.",
    });
  } else if (remote.has(mount.fileSystem)) {
    warnings.push({
      code: "WAL_REMOTE",
      message: `the log lies on another machine: ${where}`,
      hint: "Whether a sync reaches that machine's disk is in its settings; mount it with `sync`, or use a local disk.",
    });
  } else if (!journaled.has(mount.fileSystem) && mount.fileSystem !== "overlay") {
    warnings.push({
      code: "WAL_UNKNOWN_FILE_SYSTEM",
      message: `nothing is known of how this file system keeps what was synced: ${where}`,
      hint: "Prefer ext4, xfs, btrfs or zfs.",
    });
  }
  const noBarriers = has("nobarrier", "barrier=0");
  if (noBarriers !== undefined) {
    warnings.push({
      code: "WAL_NO_BARRIERS",
      message: `the mount option ${noBarriers} lets the device reorder what was synced: ${where}`,
      hint: `A power cut can lose acknowledged entries. Remount with barriers: mount -o remount,barrier=1 ${mount.folder}`,
    });
  }
  const writeback = has("data=writeback");
  if (writeback !== undefined) {
    warnings.push({
      code: "WAL_WRITEBACK",
      message: `the mount option ${writeback} can leave old bytes in new blocks: ${where}`,
      hint: "A power cut can show stale bytes at the end of files, which Holdfast tells from its own. Prefer data=ordered.",
    });
  }
  return warnings;
}
