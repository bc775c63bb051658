/**
 * From the start of a fresh Node process to its first output, seen from the process that starts it: engine, imports,
 * files, compilation, first run. Runtimes in turns; the child says its own peak memory.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { systemClock } from "../../src/base/index.ts";
import { median } from "./interleaved.ts";

export interface ColdStart {
  readonly medianMs: number;
  readonly minMs: number;
  readonly peakBytes: number;
}

export interface ColdStarter {
  /** The script beside this one. */
  readonly script: string;
  readonly argument: string;
}

/** What Node itself takes to say a word. */
export const bareNode: ColdStarter = { script: "first-output-nothing.mjs", argument: "" };

export async function coldStarts(starters: readonly ColdStarter[], rounds: number): Promise<ColdStart[]> {
  const times = starters.map((): number[] => []);
  const peaks = starters.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    const places = starters.map((_, place) => place);
    for (const place of round % 2 === 0 ? places : places.toReversed()) {
      const { ms, peakBytes } = await firstOutput(starters[place]!);
      // The first round only brings the files into the page cache.
      if (round < 0) continue;
      times[place]!.push(ms);
      peaks[place]!.push(peakBytes);
    }
  }
  return times.map((list, place) => ({
    medianMs: median(list),
    minMs: Math.min(...list),
    peakBytes: median(peaks[place]!),
  }));
}

async function firstOutput({ script, argument }: ColdStarter): Promise<{ ms: number; peakBytes: number }> {
  const start = systemClock.monotonicMs();
  const child = spawn(process.execPath, [join(import.meta.dirname, script), argument], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  try {
    const line = await firstLine(child);
    const ms = systemClock.monotonicMs() - start;
    const peak = /^first \S+ (\d+)$/.exec(line)?.[1];
    if (peak === undefined) throw new Error(`${script} said ${JSON.stringify(line)}, not its first output`);
    return { ms, peakBytes: Number(peak) * 1024 };
  } finally {
    child.kill();
    await ended;
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.once("error", reject);
    child.once("close", () => resolve(text));
    child.stdout!.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
    });
  });
}
