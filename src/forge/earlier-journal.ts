/**
 * State folders of before the store had a journal of their own in `wal`, and bytes by their hash in `blobs` and
 * `objects`. What such a folder knows is taken over once, when it is opened; the old files go when all of it is
 * durable. A crash in between leaves them, and the next opening takes them over again: to the same keys.
 */

import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { HoldfastError } from "../base/index.ts";
import type { Change, Store } from "../store/index.ts";
import { openWal } from "../wal/index.ts";
import { hashHex } from "./content-hash.ts";
import { type ByHash, type ForgeStoreOptions, jobItemId, put } from "./forge-store.ts";
import { ForgeRecordSchema } from "./gen/holdfast/v2/forge_pb.ts";
import { type CompiledUnit, Ledger } from "./ledger.ts";
import { decodeRecord, encodedRecord } from "./record.ts";

export async function importJournal({ stateDir, disk, clock }: ForgeStoreOptions, store: Store): Promise<void> {
  const folder = join(stateDir, "wal");
  const files = (await disk.stat(folder)) === undefined ? [] : await disk.list(folder);
  if (files.every(({ kind }) => kind !== "file")) return;
  const ledger = new Ledger();
  const wal = await openWal({
    disk,
    folder,
    clock,
    onEntry: ({ payload }) => void ledger.apply(decodeRecord(payload)),
  });
  try {
    const write = (changes: readonly Change[]) => store.write(changes, { durability: "visible" });
    const take = async (from: "blobs" | "objects", into: ByHash, hash: string): Promise<void> => {
      const bytes = await readIfThere(join(stateDir, from, hash));
      if (bytes !== undefined && hashHex(bytes) === hash) await write([put(into, hash, bytes)]);
    };
    for (const unit of ledger.units()) {
      if (unit.objectHash !== undefined) await take("objects", "objects", unit.objectHash);
      await write([put("units", unit.key, encodedRecord(unitRecord(unit)))]);
    }
    for (const [place, job] of ledger.jobs().entries()) {
      for (const hash of [job.modelHash, job.optionsHash]) await take("blobs", "inputs", hash);
      for (const { hash } of job.files) await take("blobs", "artifacts", hash);
      for (const [name, record] of job.records)
        await write([put("jobs", jobItemId(place + 1, name), encodedRecord(record))]);
    }
    await store.flush();
  } finally {
    await wal.close();
  }
  await disk.rename(folder, `${folder}-taken-over`);
  await disk.syncFolder(stateDir);
  for (const name of ["wal-taken-over", "blobs", "objects"]) await removeFiles(join(stateDir, name));

  async function readIfThere(path: string): Promise<Uint8Array | undefined> {
    return (await disk.stat(path)) === undefined ? undefined : await disk.readFile(path);
  }

  async function removeFiles(path: string): Promise<void> {
    if ((await disk.stat(path)) === undefined) return;
    for (const { name, kind } of await disk.list(path)) if (kind === "file") await disk.remove(join(path, name));
  }
}

/** As the store keeps it: with how often it was compiled in all, and without an object that was lost. */
function unitRecord({ record, compilations, objectHash = "" }: CompiledUnit) {
  const { event } = record;
  if (event.case !== "unitCompiled") throw new HoldfastError("FORGE_BAD_RECORD", "a unit's record is of another kind");
  return create(ForgeRecordSchema, {
    ...record,
    event: { case: "unitCompiled", value: { ...event.value, compilations, objectHash } },
  });
}
