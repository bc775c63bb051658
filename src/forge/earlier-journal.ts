/**
 * State folders of before the store had a journal of their own in `wal`, and bytes by their hash in `blobs` and
 * `objects`. What such a folder knows is taken over once, when it is opened; the old files go when all of it is
 * durable. A crash in between leaves them, and the next opening goes on with what is not here yet.
 */

import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { openWal } from "../wal/index.ts";
import { hashHex } from "./content-hash.ts";
import type { ForgeStore, ForgeStoreOptions } from "./forge-store.ts";
import { type ForgeRecord, ForgeRecordSchema } from "./gen/holdfast/v2/forge_pb.ts";
import { type CompiledUnit, Ledger } from "./ledger.ts";
import { decodeRecord } from "./record.ts";

const takenOver = "wal-taken-over";

export async function takeOverJournal(options: ForgeStoreOptions, store: ForgeStore): Promise<void> {
  const { stateDir, disk } = options;
  const leftOver = await filesIn(options, takenOver);
  const isThere = (await filesIn(options, "wal")).length > 0;
  if (isThere) {
    await adopt(options, store);
    for (const path of leftOver) await disk.remove(path);
    await disk.rename(join(stateDir, "wal"), join(stateDir, takenOver));
    await disk.syncFolder(stateDir);
  }
  if (!isThere && leftOver.length === 0) return;
  for (const name of ["blobs", "objects", takenOver])
    for (const path of await filesIn(options, name)) await disk.remove(path);
}

async function adopt(options: ForgeStoreOptions, store: ForgeStore): Promise<void> {
  const { stateDir, disk, clock } = options;
  const folder = join(stateDir, "wal");
  const ledger = new Ledger();
  const wal = await openWal({ disk, folder, clock, onEntry: ({ payload }) => ledger.apply(decodeRecord(payload)) });
  try {
    for (const unit of ledger.units()) {
      const [object] = await bytesOf(options, "objects", unit.objectHash === undefined ? [] : [unit.objectHash]);
      await store.adoptUnit(recordOf(unit), unit, object);
    }
    for (const job of ledger.jobs()) {
      const inputs = await bytesOf(options, "blobs", [job.modelHash, job.optionsHash]);
      const files = job.files.map(({ hash }) => hash);
      await store.adoptJob(job, { inputs, artifacts: await bytesOf(options, "blobs", files) });
    }
  } finally {
    await wal.close();
  }
}

async function filesIn({ stateDir, disk }: ForgeStoreOptions, name: string): Promise<string[]> {
  const folder = join(stateDir, name);
  if ((await disk.stat(folder)) === undefined) return [];
  return (await disk.list(folder)).filter(({ kind }) => kind === "file").map((file) => join(folder, file.name));
}

/** Those that are there and undamaged; what is not is found missing when it is asked for. */
async function bytesOf({ stateDir, disk }: ForgeStoreOptions, folder: string, hashes: readonly string[]) {
  const found: Uint8Array[] = [];
  for (const hash of hashes) {
    const path = join(stateDir, folder, hash);
    const bytes = (await disk.stat(path)) === undefined ? undefined : await disk.readFile(path);
    if (bytes !== undefined && hashHex(bytes) === hash) found.push(bytes);
  }
  return found;
}

/** As the store keeps it: with how often the unit was compiled in all, and without an object that was lost. */
function recordOf({ record, compilations, objectHash = "" }: CompiledUnit): ForgeRecord {
  const { event } = record;
  if (event.case !== "unitCompiled") return record;
  return create(ForgeRecordSchema, {
    ...record,
    event: { case: "unitCompiled", value: { ...event.value, compilations, objectHash } },
  });
}
