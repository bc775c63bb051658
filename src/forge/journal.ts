/** The forge's records in the write-ahead log, and the ledger they fold into. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Clock } from "../base/index.ts";
import type { Disk } from "../disk/index.ts";
import { openWal, readWal, type Wal } from "../wal/index.ts";
import type { ExecutionContextSchema, ForgeRecord } from "./gen/holdfast/v2/forge_pb.ts";
import { Ledger } from "./ledger.ts";
import { decodeRecord, encodeContext, encodeRecord, type RecordEvent } from "./record.ts";

export class Journal implements AsyncDisposable {
  readonly ledger: Ledger;
  readonly #wal: Wal;
  readonly #clock: Clock;

  private constructor(wal: Wal, ledger: Ledger, clock: Clock) {
    this.#wal = wal;
    this.ledger = ledger;
    this.#clock = clock;
  }

  static async open(disk: Disk, folder: string, clock: Clock): Promise<Journal> {
    const ledger = new Ledger();
    const wal = await openWal({ disk, folder, clock, onEntry: (entry) => ledger.apply(decodeRecord(entry.payload)) });
    return new Journal(wal, ledger, clock);
  }

  /** Durable, and seen in the ledger, when this resolves. */
  async write(event: RecordEvent): Promise<void> {
    const bytes = encodeRecord(this.#clock.nowMs(), event);
    await this.#wal.append(bytes);
    this.ledger.apply(decodeRecord(bytes));
  }

  /** As `write`, as a transaction whose Merkle root covers the execution context. */
  async commit(context: MessageInitShape<typeof ExecutionContextSchema>, event: RecordEvent): Promise<void> {
    const bytes = encodeRecord(this.#clock.nowMs(), event);
    const transaction = this.#wal.begin(encodeContext(context));
    transaction.append(bytes);
    await transaction.commit();
    this.ledger.apply(decodeRecord(bytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#wal.close();
  }
}

/** Every committed record of a state folder that need not be open, in order. */
export async function* readJournal(disk: Disk, folder: string): AsyncGenerator<ForgeRecord> {
  for await (const entry of readWal(disk, folder)) yield decodeRecord(entry.payload);
}
