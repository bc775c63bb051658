/** Watches a worker that runs fuzz cases in a process of its own, where one that hangs or eats memory can be ended. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import type { FuzzEnd, FuzzFault } from "./fuzz-worker.ts";

export interface FuzzReport extends FuzzEnd {
  readonly faults: readonly FuzzFault[];
}

export interface FuzzOptions {
  readonly firstCase: number;
  readonly seconds: number;
  /** A case that takes longer hangs. */
  readonly patienceMs?: number;
  readonly faultLimit?: number;
}

/** More than the largest entry, its copy and what Node itself takes; a size that is believed would exceed it. */
const heapLimitMegabytes = 256;

export async function fuzz({
  firstCase,
  seconds,
  patienceMs = 10_000,
  faultLimit = 20,
}: FuzzOptions): Promise<FuzzReport> {
  const worker = join(import.meta.dirname, "fuzz-worker.ts");
  const args = [`--max-old-space-size=${heapLimitMegabytes}`, worker, String(firstCase), String(seconds)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const faults: FuzzFault[] = [];
  let [rest, stderr, seed, hung] = ["", "", firstCase, false];
  let end: FuzzEnd | undefined;
  const hang = (): void => {
    hung = true;
    child.kill("SIGKILL");
  };
  let timer = setTimeout(hang, patienceMs);
  child.stderr.setEncoding("utf8").on("data", (part: string) => (stderr += part));
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    clearTimeout(timer);
    timer = setTimeout(hang, patienceMs);
    const lines = (rest + part).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("case ")) seed = Number(line.slice(5));
      if (line.startsWith("fault ")) faults.push(JSON.parse(line.slice(6)) as FuzzFault);
      if (line.startsWith("end ")) end = JSON.parse(line.slice(4)) as FuzzEnd;
    }
    if (faults.length >= faultLimit) child.kill("SIGKILL");
  });
  const exit = await new Promise<string>((resolve) =>
    child.once("close", (code, signal) => resolve(String(code ?? signal))),
  );
  clearTimeout(timer);
  if (end !== undefined) return { ...end, faults };
  const nothing = { cases: seed - firstCase + 1, classes: {}, peakMegabytes: Number.NaN, slowestMs: Number.NaN };
  if (faults.length >= faultLimit) return { ...nothing, faults };
  const what = hung ? `hangs: more than ${patienceMs} ms` : `ended the process (${exit}): ${stderr.slice(0, 2_000)}`;
  return { ...nothing, faults: [...faults, { seed, done: [], faults: [what] }] };
}
