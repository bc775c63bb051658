/** The faults of a script as the simulated disk takes them. */

import { faults, type SimDisk } from "../../../src/disk/index.ts";
import type { Fault } from "../../../src/disk/simulated/fault.ts";
import type { FaultSpec } from "./operations.ts";

export function faultsOf(specs: readonly FaultSpec[], disk: SimDisk): Fault[] {
  return specs.map((spec) => faultOf(spec, disk));
}

function faultOf({ kind, path, occurrence, code, forever, lies, bytes = 0 }: FaultSpec, disk: SimDisk): Fault {
  const strike = {
    occurrence,
    ...(path === undefined ? {} : { path: new RegExp(path) }),
    ...(code === undefined ? {} : { code }),
    ...(forever === undefined ? {} : { forever }),
  };
  const lying = lies === undefined ? strike : { ...strike, lies };
  switch (kind) {
    case "open":
      return faults.failOpen(strike);
    case "list":
      return faults.failList(strike);
    case "read":
      return faults.failRead(strike);
    case "shortRead":
      return faults.shortRead({ ...strike, bytes });
    case "write":
      return faults.failWrite({ ...strike, bytes });
    case "sync":
      return faults.failSync(lying);
    case "syncFolder":
      return faults.failSyncFolder(lying);
    case "truncate":
      return faults.failTruncate(strike);
    case "rename":
      return faults.failRename(strike);
    case "remove":
      return faults.failRemove(strike);
    case "space":
      return faults.noSpaceAfter(usedBytes(disk) + bytes);
  }
}

function usedBytes(disk: SimDisk): number {
  let used = 0;
  for (const { bytes } of disk.files()) used += bytes.length;
  return used;
}
