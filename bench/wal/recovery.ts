/**
 * How fast a log is read back, and in how much memory: written here, opened in a fresh process.
 *
 *     node bench/wal/recovery.ts FOLDER        opens that log and prints what it took, as JSON
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/base/index.ts";
import { NodeDisk } from "../../src/disk/index.ts";
import { openWal } from "../../src/wal/index.ts";

export interface RecoveryResult extends Opening {
  readonly format: "binary" | "json";
  readonly logBytes: number;
}

interface Opening {
  readonly entries: number;
  readonly elapsedMs: number;
  /** The most memory seen while reading, less what the process had before. */
  readonly peakBytes: number;
  /** The same over the first quarter of the entries: what grows with the log is larger later. */
  readonly quarterPeakBytes: number;
}

const batch = 1_000;
const sampledEach = 4_096;

export async function measureRecovery(
  format: "binary" | "json",
  entries: number,
  records: readonly Uint8Array[],
  folder: string,
): Promise<RecoveryResult> {
  mkdirSync(folder);
  try {
    const wal = await openWal({ disk: new NodeDisk(), folder, format, totalLimitBytes: 64 * 2 ** 30 });
    for (let from = 0; from < entries; from += batch) {
      const count = Math.min(batch, entries - from);
      const acknowledged = Array.from({ length: count }, (_, place) =>
        wal.append(records[(from + place) % records.length]!),
      );
      await Promise.all(acknowledged);
    }
    await wal.close();
    const logBytes = readdirSync(folder).reduce((total, name) => total + statSync(join(folder, name)).size, 0);
    const openings = [open(folder, entries), open(folder, entries), open(folder, entries)];
    const median = openings.sort((a, b) => a.elapsedMs - b.elapsedMs)[1]!;
    if (median.entries !== entries) throw new Error(`${median.entries} entries came back, not ${entries}`);
    return { ...median, format, logBytes };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function open(folder: string, entries: number): Opening {
  const args = [import.meta.filename, folder, String(entries)];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`opening the log failed (exit code ${status}): ${stderr}`);
  return JSON.parse(stdout) as Opening;
}

async function openAndTell(folder: string, expected: number): Promise<Opening> {
  const baseline = process.memoryUsage.rss();
  let [entries, peak, quarterPeak] = [0, 0, 0];
  const start = systemClock.monotonicMs();
  const wal = await openWal({
    disk: new NodeDisk(),
    folder,
    onEntry: () => {
      if (++entries % sampledEach !== 0) return;
      peak = Math.max(peak, process.memoryUsage.rss());
      if (entries * 4 <= expected) quarterPeak = peak;
    },
  });
  const elapsedMs = systemClock.monotonicMs() - start;
  await wal.close();
  return { entries, elapsedMs, peakBytes: peak - baseline, quarterPeakBytes: quarterPeak - baseline };
}

if (process.argv[1] === import.meta.filename)
  console.log(JSON.stringify(await openAndTell(process.argv[2]!, Number(process.argv[3]))));
