export {
  type Disk,
  type DiskFile,
  type DiskLock,
  defaultReadLimitBytes,
  type FileStat,
  type FolderEntry,
  type FreeSpace,
  type Mount,
  type OpenMode,
  type OpenOptions,
  type ReadOptions,
} from "./disk.ts";
export { diskError } from "./disk-error.ts";
export { NodeDisk } from "./node-disk.ts";
export * as faults from "./simulated/fault.ts";
export { SimCrash } from "./simulated/sim-crash.ts";
export { SimDisk, type SimDiskOptions, type Survivor } from "./simulated/sim-disk.ts";
