/**
 * Writers that are killed one after the other over one log, and a witness of what they were acknowledged.
 *
 * Half of the kills come soon after a writer begins to open the log, so that recovery is killed too; the others while
 * it writes. Between two lives the log is read from outside; what the next writer finds must be the same.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../src/base/index.ts";
import { NodeDisk } from "../../src/disk/index.ts";
import { openWal, readWal } from "../../src/wal/index.ts";
import type { WriterOrder } from "./kill-writer.ts";
import { LogWitness, type ReadEntry } from "./log-witness.ts";
import { writerLife } from "./writer-life.ts";

export interface KillTrialOptions {
  readonly kills: number;
  readonly seed: number;
  readonly format: "binary" | "json";
  readonly durability: "fdatasync" | "dsync";
  readonly onLife?: (life: Life) => void;
}

export interface Life {
  readonly run: number;
  /** Acknowledged writes of this life. */
  readonly acknowledged: number;
  /** Whether the log was open when the kill came. */
  readonly opened: boolean;
  /** Entries that the log gives out after it. */
  readonly entries: number;
}

export interface KillTrial {
  readonly lives: readonly Life[];
  readonly complaints: readonly string[];
}

const writer = join(import.meta.dirname, "kill-writer.ts");
const limits = { longestLifeMs: 250, longestOpeningMs: 25 };
const lastLifeWrites = 20;

export async function killAgainAndAgain(options: KillTrialOptions): Promise<KillTrial> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-kill-"));
  const random = seededRandom(options.seed);
  const witness = new LogWitness();
  const lives: Life[] = [];
  const complaints: string[] = [];
  let before: readonly ReadEntry[] = [];
  try {
    for (let run = 1; run <= options.kills + 1; run++) {
      const isLast = run > options.kills;
      const { format, durability } = options;
      const order = { folder, run, seed: options.seed * 1_000_003 + run * 100, format, durability };
      const wait = { word: random() < 0.5 ? "opening" : "opened", share: random() };
      const lines = await writerLife<WriterOrder>(
        writer,
        isLast ? { ...order, writes: lastLifeWrites } : order,
        isLast ? undefined : wait,
        limits,
      );
      const spoken = lines.flatMap((line) => witness.hear(line));
      const opened = lines.find((line) => line.startsWith("opened "));
      if (opened !== undefined) witness.keep(before);
      const found = `opened ${before.length} ${before.at(-1)?.sequence ?? 0}`;
      const differs = opened !== undefined && opened !== found ? [`${opened}, where a reader ${found}`] : [];
      before = await entriesOf(folder);
      const wrong = [...spoken, ...differs, ...witness.complaintsAbout(before)];
      complaints.push(...wrong.map((text) => `run ${run}: ${text}`));
      const acknowledged = lines.filter((line) => /^(acked|committed) /.test(line)).length;
      const life = { run, acknowledged, opened: opened !== undefined, entries: before.length };
      lives.push(life);
      options.onLife?.(life);
      if (complaints.length > 0) break;
    }
    if (complaints.length === 0) complaints.push(...(await complaintsAboutTheEnd(folder, before.length)));
    return { lives, complaints };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The last writer closed the log in order: nothing is torn, lost or rolled back, and it can be opened. */
async function complaintsAboutTheEnd(folder: string, entries: number): Promise<string[]> {
  const wal = await openWal({ disk: new NodeDisk(), folder });
  const { recovery } = wal;
  await wal.close();
  return [
    ...(recovery.entries === entries ? [] : [`${recovery.entries} entries at the end, where a reader saw ${entries}`]),
    ...(recovery.torn === undefined ? [] : [`a log that was closed is torn: ${JSON.stringify(recovery.torn)}`]),
    ...recovery.lost.map((loss) => `a log that was closed has a loss: ${JSON.stringify(loss)}`),
  ];
}

async function entriesOf(folder: string): Promise<ReadEntry[]> {
  const entries: ReadEntry[] = [];
  for await (const { sequence, payload } of readWal(new NodeDisk(), folder)) entries.push({ sequence, payload });
  return entries;
}
