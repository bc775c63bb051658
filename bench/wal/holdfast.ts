/** The log under measurement, in its forms. */
import { NodeDisk } from "../../src/disk/index.ts";
import { openWal, type Wal, type WalOptions } from "../../src/wal/index.ts";
import { type Contender, closedLoop, recordBytes, type Turn } from "./contender.ts";
import type { Load } from "./peers.ts";

export interface Form {
  readonly format: "binary" | "json";
  readonly durability: "fdatasync" | "dsync";
  /** Whether what is written is forgotten as it goes, as a database checkpoints its own log. */
  readonly truncating?: boolean;
}

/** The floors are held against this one: all defaults. */
export const defaultForm: Form = { format: "binary", durability: "fdatasync" };

export const forms: readonly Form[] = [
  defaultForm,
  { format: "binary", durability: "dsync" },
  { format: "binary", durability: "fdatasync", truncating: true },
  { format: "json", durability: "fdatasync" },
  { format: "json", durability: "dsync" },
];

const truncatedEachBytes = 32 * 2 ** 20;

export function nameOf({ format, durability, truncating }: Form): string {
  return `holdfast, ${format}, ${durability}${truncating === true ? ", truncating" : ""}`;
}

export function holdfast(form: Form, { writers, recordsEach }: Load, records: readonly Uint8Array[]): Contender {
  return {
    name: nameOf(form),
    async open(folder) {
      const wal = await openWal(optionsFor(form, folder));
      const truncate = truncator(wal);
      let next = 0;
      const record = (): Uint8Array => records[next++ % records.length]!;
      const append =
        recordsEach === 1
          ? () => wal.append(record())
          : () => wal.appendAll(Array.from({ length: recordsEach }, record));
      const appendAndTruncate = (): Promise<unknown> => append().then(truncate);
      return {
        turn: (durationMs) =>
          counted(wal, () =>
            closedLoop(writers, durationMs, recordsEach, form.truncating === true ? appendAndTruncate : append),
          ),
        close: () => wal.close(),
      };
    },
  };
}

function optionsFor({ format, durability }: Form, folder: string): WalOptions {
  return { disk: new NodeDisk(), folder, format, durability, totalLimitBytes: 64 * 2 ** 30 };
}

/** Forgets all before an acknowledged record, as soon as so many more bytes were written; the writer does not wait. */
function truncator(wal: Wal): (sequence: number) => void {
  const each = Math.ceil(truncatedEachBytes / recordBytes);
  let beyond = each;
  return (sequence) => {
    if (sequence < beyond) return;
    beyond = sequence + each;
    void wal.truncateBefore(sequence);
  };
}

async function counted(wal: Wal, work: () => Promise<Turn>): Promise<Turn> {
  const before = { ...wal.statistics };
  const turn = await work();
  const after = wal.statistics;
  return { ...turn, syncs: after.syncs - before.syncs, groups: after.groups - before.groups };
}
