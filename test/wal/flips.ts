/** Every byte of a log changed, one at a time: one bit of it, and all of them. */
import type { ExampleLog } from "./example-log.ts";
import { faultOf, openedOutcome, outcomeOf, salvageFault } from "./judge.ts";
import { MemoryDisk } from "./memory-disk.ts";

export interface FlipOptions {
  /** Every so many bytes, from `start` on. */
  readonly stride: number;
  readonly start: number;
}

export interface FlipReport {
  readonly flips: number;
  readonly refused: number;
  /** Read as if nothing had been changed: the change lay behind all entries. */
  readonly harmless: number;
  readonly faults: readonly string[];
}

/** How many flips there are between two that are also opened for writing and salvaged, which takes longer. */
const thoroughEach = 16;

export async function flipBytes(log: ExampleLog, { stride, start }: FlipOptions): Promise<FlipReport> {
  const faults: string[] = [];
  let [flips, refused] = [0, 0];
  for (const [path, bytes] of log.files) {
    if (!/\.(wal|jsonl)$/.test(path)) continue;
    for (let at = start % stride; at < bytes.length; at += stride) {
      const mask = flips % 2 === 0 ? 0xff : 1 << ((flips >> 1) % 8);
      bytes[at]! ^= mask;
      try {
        const disk = new MemoryDisk(log.files);
        const outcome = await outcomeOf(disk);
        const found = [faultOf(outcome, log.entries, log.files)];
        if (outcome.kind === "refused" && !isBefore(outcome, path, at)) found.push(`it blames ${outcome.path}`);
        if (outcome.kind === "refused") refused++;
        if (flips % thoroughEach === 0) {
          found.push(faultOf(await openedOutcome(log.files), log.entries, log.files));
          found.push(await salvageFault(disk, log.entries));
        }
        const what = `${path} at ${at}, mask ${mask}`;
        faults.push(...found.filter((fault) => fault !== undefined).map((fault) => `${what}: ${fault}`));
      } catch (error) {
        faults.push(`${path} at ${at}, mask ${mask}: ${error instanceof Error ? error.stack : error}`);
      } finally {
        bytes[at]! ^= mask;
      }
      flips++;
    }
  }
  return { flips, refused, harmless: flips - refused, faults };
}

/** The place named is in the damaged file and not behind the damage; or it is the next file that does not continue. */
function isBefore(outcome: { readonly path: unknown; readonly offset: unknown }, path: string, at: number): boolean {
  if (outcome.path === path) return Number(outcome.offset) <= at;
  return outcome.offset === 0;
}
