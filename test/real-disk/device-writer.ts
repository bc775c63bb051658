/**
 * The process whose device fails: appends from a few sides and prints each acknowledgement, as `kill-writer` does,
 * until something is refused. Then it tries on, for a failed log must stay so:
 *
 *     failed WAL_FAILED DISK_IO      the first refusal, and its cause
 *     refused WAL_FAILED             each attempt after it
 *     closed  or  closed DISK_IO     how closing went
 *
 *     node test/real-disk/device-writer.ts FOLDER FORMAT DURABILITY [WRITES]
 *
 * With WRITES it stands still after so many from each side: it says "paused" once nothing is under way, and goes on
 * when it is told something.
 */
import { once } from "node:events";
import { writeSync } from "node:fs";
import { HoldfastError } from "../../src/base/index.ts";
import { NodeDisk } from "../../src/disk/index.ts";
import { openWal } from "../../src/wal/index.ts";
import { payloadOf, writeKey } from "./payload.ts";

const [folder, format, durability, pauseAfter] = process.argv.slice(2);
const sides = ["a0", "a1", "a2"];
const attemptsAfterFailure = 5;

const say = (line: string): void => void writeSync(1, `${line}\n`);
const codeOf = (error: unknown): string => (HoldfastError.is(error) ? error.code : `untyped ${error}`);

const wal = await openWal({
  disk: new NodeDisk(),
  folder: folder!,
  format: format === "json" ? "json" : "binary",
  durability: durability === "dsync" ? "dsync" : "fdatasync",
  fileLimitBytes: 256 * 1024,
});

let failed = false;
let paused = 0;
const told = pauseAfter === undefined ? undefined : once(process.stdin, "data");

/** Nothing is under way once all sides have come here. */
async function pause(): Promise<void> {
  if (++paused === sides.length) say("paused");
  await told;
}

async function append(writer: string): Promise<void> {
  for (let write = 0; !failed; write++) {
    if (write === Number(pauseAfter)) await pause();
    const name = { run: 1, writer, write, entry: 0, of: 1, bytes: 200 + (write % 7) * 300 };
    try {
      const sequence = await wal.append(payloadOf(name));
      say(`acked ${writeKey(name)} 1 ${sequence}`);
    } catch (error) {
      if (!failed) say(`failed ${codeOf(error)} ${codeOf(error instanceof Error ? error.cause : undefined)}`);
      failed = true;
    }
  }
}

await Promise.all(sides.map(append));
process.stdin.destroy();
for (let attempt = 0; attempt < attemptsAfterFailure; attempt++) {
  const name = { run: 1, writer: "late", write: attempt, entry: 0, of: 1, bytes: 100 };
  const answer = await wal.append(payloadOf(name)).then(
    (sequence) => `acked ${writeKey(name)} 1 ${sequence}`,
    (error: unknown) => `refused ${codeOf(error)}`,
  );
  say(answer);
}
const closing = await wal.close().then(
  () => "closed",
  (error: unknown) => `closed ${codeOf(error)}`,
);
say(closing);
