/**
 * The forge's records in the write-ahead log, and the ledger they fold into.
 *
 * After every ten compilations the ledger is written down as a checkpoint, in one transaction, and what stands before
 * it is truncated: so the time to recover is bounded by what there is to know, not by how long the forge has run (W9).
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Clock, HoldfastError, utf8 } from "../base/index.ts";
import type { Disk } from "../disk/index.ts";
import { type DurabilityWarning, openWal, readWal, type Wal } from "../wal/index.ts";
import type { ExecutionContextSchema, ForgeRecord } from "./gen/holdfast/v2/forge_pb.ts";
import { Ledger } from "./ledger.ts";
import { decodeRecord, encodeCheckpoint, encodeContext, encodeRecord, type RecordEvent } from "./record.ts";

export const checkpointInterval = 10;

export class Journal implements AsyncDisposable {
  readonly ledger: Ledger;
  readonly #wal: Wal;
  readonly #clock: Clock;
  readonly #writes = new Set<Promise<unknown>>();
  #compilations: number;
  #checkpoint: Promise<void> | undefined;

  private constructor(wal: Wal, ledger: Ledger, clock: Clock, compilations: number) {
    this.#wal = wal;
    this.ledger = ledger;
    this.#clock = clock;
    this.#compilations = compilations;
  }

  static async open(disk: Disk, folder: string, clock: Clock): Promise<Journal> {
    const ledger = new Ledger();
    let compilations = 0;
    const onEntry = ({ payload }: { readonly payload: Uint8Array }): void => {
      const record = decodeRecord(payload);
      ledger.apply(record);
      if (record.event.case === "checkpoint") compilations = 0;
      if (record.event.case === "unitCompiled") compilations++;
    };
    const wal = await openWal({ disk, folder, clock, onEntry });
    return new Journal(wal, ledger, clock, compilations);
  }

  /** What of the file system puts the journal in doubt (W7). */
  get warnings(): readonly DurabilityWarning[] {
    return this.#wal.recovery.warnings;
  }

  /** Durable, and seen in the ledger, when this resolves. */
  async write(event: RecordEvent): Promise<void> {
    const bytes = encodeRecord(this.#clock.nowMs(), event);
    await this.#record(bytes, () => this.#wal.append(bytes));
    if (event.case === "unitCompiled" && ++this.#compilations >= checkpointInterval) this.#beginCheckpoint();
  }

  /** As `write`, as a transaction whose Merkle root covers the execution context. */
  async commit(context: MessageInitShape<typeof ExecutionContextSchema>, event: RecordEvent): Promise<void> {
    const bytes = encodeRecord(this.#clock.nowMs(), event);
    await this.#record(bytes, async () => {
      const transaction = this.#wal.begin(encodeContext(context));
      transaction.append(bytes);
      await transaction.commit();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#checkpoint;
    await this.#wal.close();
  }

  async #record(bytes: Uint8Array, write: () => Promise<unknown>): Promise<void> {
    while (this.#checkpoint !== undefined) await this.#checkpoint;
    const writing = write();
    this.#writes.add(writing);
    try {
      await writing;
      this.ledger.apply(decodeRecord(bytes));
    } finally {
      this.#writes.delete(writing);
    }
  }

  #beginCheckpoint(): void {
    this.#checkpoint ??= this.#writeCheckpoint().finally(() => {
      this.#checkpoint = undefined;
    });
  }

  /** Writers wait meanwhile: a checkpoint must hold everything that stands before it in the log. */
  async #writeCheckpoint(): Promise<void> {
    while (this.#writes.size > 0) await Promise.allSettled(this.#writes);
    try {
      const transaction = this.#wal.begin(utf8("checkpoint"));
      const first = this.#wal.visibleSequence;
      for (const part of encodeCheckpoint(this.#clock.nowMs(), this.ledger.records())) transaction.append(part);
      await transaction.commit();
      this.#compilations = 0;
      await this.#wal.truncateBefore(first);
    } catch (error) {
      // Without a checkpoint the journal is only longer. A log that failed says so to the next write.
      if (!HoldfastError.is(error)) throw error;
    }
  }
}

/** What the journal of a state folder says that need not be open. */
export async function readLedger(disk: Disk, folder: string): Promise<Ledger> {
  const ledger = new Ledger();
  for await (const record of readJournal(disk, folder)) ledger.apply(record);
  return ledger;
}

/** Every committed record of a state folder that need not be open, in order. */
async function* readJournal(disk: Disk, folder: string): AsyncGenerator<ForgeRecord> {
  for await (const entry of readWal(disk, folder)) yield decodeRecord(entry.payload);
}
