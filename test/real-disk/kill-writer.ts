/**
 * The process that is killed: writes to a log from many sides at once, and says on standard output what it was
 * acknowledged, one line each, written before anything else happens:
 *
 *     opening                                about to open the log
 *     opened ENTRIES LAST                    so many entries came back, the last one with this sequence number
 *     acked r3/a1/17 ENTRIES SEQUENCE        this atomic write; the sequence number of its last entry
 *     begun r3/t0/4 SEQUENCE                 this transaction; all its entries come after this number
 *     committed r3/t0/4 ENTRIES SEQUENCE     it is durable
 *     aborted r3/t0/5                        it must never be seen
 *     truncating SEQUENCE                    from now on entries below may be gone
 *
 *     node test/real-disk/kill-writer.ts '{"folder": …, "run": 1, "seed": 1, "format": "binary", …}'
 */
import { writeSync } from "node:fs";
import { seededRandom, utf8 } from "../../src/base/index.ts";
import { NodeDisk } from "../../src/disk/index.ts";
import { openWal, type Wal } from "../../src/wal/index.ts";
import { payloadOf, writeKey } from "./payload.ts";

export interface WriterOrder {
  readonly folder: string;
  readonly run: number;
  readonly seed: number;
  readonly format: "binary" | "json";
  readonly durability: "fdatasync" | "dsync";
  /** Writes of each appender, after which the log is closed; otherwise until the end of the process. */
  readonly writes?: number;
}

const fileLimitBytes = 256 * 1024;
const order = JSON.parse(process.argv[2]!) as WriterOrder;
const { run, writes = Number.POSITIVE_INFINITY } = order;

/** At once and blocking: what was printed was acknowledged before the kill, and nothing waits in a buffer. */
const say = (line: string): void => void writeSync(1, `${line}\n`);

/** Mostly small; sometimes larger than a sector, a page, a megabyte's fraction. */
function sizeFrom(random: () => number): number {
  const kind = random();
  return Math.floor(random() * (kind < 0.7 ? 300 : kind < 0.97 ? 6_000 : 90_000));
}

function payloadsOf(writer: string, write: number, of: number, random: () => number): Uint8Array[] {
  return Array.from({ length: of }, (_, entry) =>
    payloadOf({ run, writer, write, entry, of, bytes: sizeFrom(random) }),
  );
}

async function append(wal: Wal, writer: string, random: () => number): Promise<void> {
  for (let write = 0; write < writes; write++) {
    const [payload] = payloadsOf(writer, write, 1, random);
    const sequence = await wal.append(payload!);
    say(`acked ${writeKey({ run, writer, write })} 1 ${sequence}`);
  }
}

async function appendGroups(wal: Wal, writer: string, random: () => number): Promise<void> {
  for (let write = 0; write < writes; write++) {
    const payloads = payloadsOf(writer, write, 1 + Math.floor(random() * 12), random);
    const sequence = await wal.appendAll(payloads);
    say(`acked ${writeKey({ run, writer, write })} ${payloads.length} ${sequence}`);
  }
}

async function transact(wal: Wal, writer: string, random: () => number): Promise<void> {
  for (let write = 0; write < writes; write++) {
    const key = writeKey({ run, writer, write });
    say(`begun ${key} ${wal.visibleSequence}`);
    const transaction = wal.begin(utf8(`context of ${key}`));
    const payloads = payloadsOf(writer, write, 1 + Math.floor(random() * 8), random);
    for (const payload of payloads) {
      transaction.append(payload);
      // Others get in between, so that a transaction is spread over groups and files.
      if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
    }
    if (random() < 0.2) {
      say(`aborted ${key}`);
      await transaction.abort();
    } else say(`committed ${key} ${payloads.length} ${await transaction.commit()}`);
  }
}

async function tidyUp(wal: Wal, random: () => number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await new Promise((resolve) => setTimeout(resolve, 5 + random() * 60));
    if (isOver()) return;
    if (random() < 0.3) await wal.rotate();
    if (random() < 0.5) continue;
    const before = Math.max(1, wal.durableSequence - Math.floor(random() * 400));
    say(`truncating ${before}`);
    await wal.truncateBefore(before);
  }
}

say("opening");
let [entries, last] = [0, 0];
const wal = await openWal({
  disk: new NodeDisk(),
  folder: order.folder,
  format: order.format,
  durability: order.durability,
  fileLimitBytes,
  onEntry: ({ sequence }) => {
    entries++;
    last = sequence;
  },
});
say(`opened ${entries} ${last}`);

let nextSeed = order.seed;
const random = (): (() => number) => seededRandom(nextSeed++);
let over = false;
const tidying = tidyUp(wal, random(), () => over);
await Promise.all([
  ...["a0", "a1", "a2", "a3", "a4", "a5"].map((writer) => append(wal, writer, random())),
  ...["g0", "g1"].map((writer) => appendGroups(wal, writer, random())),
  ...["t0", "t1", "t2"].map((writer) => transact(wal, writer, random())),
]);
over = true;
await tidying;
await wal.close();
say("closed");
