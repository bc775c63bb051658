/**
 * The process that is killed: checkpoints two components in a loop, and says on standard output, written before
 * anything else happens:
 *
 *     opening                  about to open the folder
 *     restored ID VERSION KEY  what came back first; "restored ID none" where nothing is there
 *     saving ID KEY            this state is about to be kept
 *     saved ID VERSION KEY     it was acknowledged
 *
 *     node test/real-disk/checkpoint-writer.ts '{"folder": …, "run": 1}'
 */
import { writeSync } from "node:fs";
import { HoldfastError, seededRandom } from "../../src/base/index.ts";
import { NodeDisk } from "../../src/disk/index.ts";
import { checkpoints, localCheckpoints } from "../../src/resilience/checkpoint/index.ts";
import { nameOf, payloadOf } from "./payload.ts";

export interface CheckpointWriterOrder {
  readonly folder: string;
  readonly run: number;
  /** After which it ends by itself; otherwise with the process. */
  readonly saves?: number;
}

const { folder, run, saves = Number.POSITIVE_INFINITY } = JSON.parse(process.argv[2]!) as CheckpointWriterOrder;
const random = seededRandom(run);
/** At once and blocking: what was printed happened before the kill, and nothing waits in a buffer. */
const say = (line: string): void => void writeSync(1, `${line}\n`);

say("opening");
const kept = checkpoints({ backend: localCheckpoints({ disk: new NodeDisk(), folder }) });
const states = new Map<string, Uint8Array>();
for (const id of ["a", "B"]) {
  let key: string | undefined;
  kept.register({
    id,
    save: () => states.get(id)!,
    restore: (state) => {
      key = keyOf(state);
    },
  });
  try {
    const { version } = await kept.restore(id);
    say(`restored ${id} ${version} ${key}`);
  } catch (error) {
    if (!(HoldfastError.is(error) && error.code === "CHECKPOINT_NONE")) throw error;
    say(`restored ${id} none`);
  }
}
for (let write = 0; write < saves; write++) {
  const id = random() < 0.7 ? "a" : "B";
  const bytes = Math.floor(random() < 0.8 ? random() * 5_000 : random() * 400_000);
  const state = payloadOf({ run, writer: id, write, entry: 0, of: 1, bytes });
  states.set(id, state);
  say(`saving ${id} ${keyOf(state)}`);
  const { version } = await kept.checkpoint(id);
  say(`saved ${id} ${version} ${keyOf(state)}`);
}
await kept.close();

function keyOf(state: Uint8Array): string {
  const name = nameOf(state);
  return name === undefined ? "broken" : `${name.run}/${name.writer}/${name.write}`;
}
