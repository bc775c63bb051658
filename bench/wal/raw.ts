/** The least that makes a record durable: append it to a file and sync that. No checksum, no order, no recovery. */
import { closeSync, fdatasync, fdatasyncSync, openSync, write, writeSync } from "node:fs";
import { join } from "node:path";
import { blockingLoop, type Contender, closedLoop } from "./contender.ts";

/** Through libuv's threads, as a program that may not block must do it. */
export function rawAppend(records: readonly Uint8Array[]): Contender {
  return {
    name: "raw append + fdatasync",
    async open(folder) {
      const file = openSync(join(folder, "raw"), "w");
      let [next, offset] = [0, 0];
      const append = (): Promise<void> =>
        new Promise((resolve, reject) => {
          const record = records[next++ % records.length]!;
          const at = offset;
          offset += record.length;
          write(file, record, 0, record.length, at, (failed) => {
            if (failed) return reject(failed);
            fdatasync(file, (unsynced) => (unsynced ? reject(unsynced) : resolve()));
          });
        });
      return {
        turn: (durationMs) => closedLoop(1, durationMs, 1, append),
        close: async () => closeSync(file),
      };
    },
  };
}

export function rawAppendBlocking(records: readonly Uint8Array[]): Contender {
  return {
    name: "raw append + fdatasync, blocking",
    async open(folder) {
      const file = openSync(join(folder, "raw"), "w");
      let [next, offset] = [0, 0];
      const append = (): void => {
        const record = records[next++ % records.length]!;
        offset += writeSync(file, record, 0, record.length, offset);
        fdatasyncSync(file);
      };
      return {
        turn: async (durationMs) => blockingLoop(durationMs, 1, append),
        close: async () => closeSync(file),
      };
    },
  };
}
