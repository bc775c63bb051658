/**
 * Writers of checkpoints that are killed one after the other over one folder of a real disk. Half of the kills come
 * while a writer opens the folder, the others while it saves. What the next one, and a reader in between, get back is
 * the last acknowledged version or a newer whole one.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../src/base/index.ts";
import { NodeDisk } from "../../src/disk/index.ts";
import { checkpoints, localCheckpoints } from "../../src/resilience/checkpoint/index.ts";
import type { CheckpointWriterOrder } from "./checkpoint-writer.ts";
import { nameOf } from "./payload.ts";
import { writerLife } from "./writer-life.ts";

export interface CheckpointLifeReport {
  readonly run: number;
  readonly saved: number;
  /** Whether the folder was open when the kill came. */
  readonly opened: boolean;
}

export interface CheckpointKillTrial {
  readonly lives: readonly CheckpointLifeReport[];
  readonly complaints: readonly string[];
}

const writer = join(import.meta.dirname, "checkpoint-writer.ts");
const limits = { longestLifeMs: 200, longestOpeningMs: 20 };

/** What was promised, told by the writers' own lines. */
class Promises {
  readonly complaints: string[] = [];
  readonly #newest = new Map<string, { readonly version: number; readonly key: string }>();
  readonly #sent = new Set<string>();

  hear(line: string): void {
    const [what, id = "", version = "", key = ""] = line.split(" ");
    if (what === "saving") this.#sent.add(`${id} ${version}`);
    else if (what === "saved") this.#newest.set(id, { version: Number(version), key });
    else if (what === "restored") this.found(id, version === "none" ? undefined : { version: Number(version), key });
  }

  found(id: string, given: { readonly version: number; readonly key: string } | undefined): void {
    const floor = this.#newest.get(id);
    if (given === undefined) {
      if (floor !== undefined)
        this.complaints.push(`${id} has nothing, where version ${floor.version} was acknowledged`);
      return;
    }
    const { version, key } = given;
    const what = `${id} has version ${version}, ${key}`;
    if (!this.#sent.has(`${id} ${key}`)) this.complaints.push(`${what}, which was never sent`);
    if (version < (floor?.version ?? 0)) this.complaints.push(`${what}, where ${floor?.version} was acknowledged`);
    if (version === floor?.version && key !== floor.key) this.complaints.push(`${what}, where it was ${floor.key}`);
    // What was given to somebody is not taken back.
    if (version > (floor?.version ?? 0)) this.#newest.set(id, given);
  }
}

export async function killCheckpointers(options: {
  readonly kills: number;
  readonly seed: number;
  readonly onLife?: (life: CheckpointLifeReport) => void;
}): Promise<CheckpointKillTrial> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-kill-"));
  const random = seededRandom(options.seed);
  const promises = new Promises();
  const lives: CheckpointLifeReport[] = [];
  try {
    for (let run = 1; run <= options.kills + 1 && promises.complaints.length === 0; run++) {
      const isLast = run > options.kills;
      const order = {
        folder: join(folder, "kept"),
        run: options.seed * 100_000 + run,
        ...(isLast ? { saves: 20 } : {}),
      };
      const kill = { word: random() < 0.4 ? "opening" : "restored B", share: random() };
      const lines = await writerLife<CheckpointWriterOrder>(writer, order, isLast ? undefined : kill, limits);
      for (const line of lines) promises.hear(line);
      const saved = lines.filter((line) => line.startsWith("saved ")).length;
      const opened = lines.some((line) => line.startsWith("restored B"));
      await readFromOutside(order.folder, promises);
      const life = { run, saved, opened };
      lives.push(life);
      options.onLife?.(life);
    }
    return { lives, complaints: promises.complaints };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function readFromOutside(folder: string, promises: Promises): Promise<void> {
  const kept = checkpoints({ backend: localCheckpoints({ disk: new NodeDisk(), folder, readOnly: true }) });
  for (const id of ["a", "B"]) {
    if ((await kept.list(id)).length === 0) continue;
    let state: Uint8Array | undefined;
    kept.register({ id, save: () => new Uint8Array(0), restore: (bytes) => void (state = bytes) });
    const { version, fellBack } = await kept.restore(id);
    const name = nameOf(state!);
    promises.found(id, { version, key: name === undefined ? "broken" : `${name.run}/${name.writer}/${name.write}` });
    if (fellBack.length > 0) promises.complaints.push(`${id} is damaged: ${JSON.stringify(fellBack)}`);
  }
}
