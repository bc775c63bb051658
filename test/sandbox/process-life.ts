/** Whether a process still runs. One that is dead and waits for an adoptive parent to notice does not. */

import { processMemory } from "../../src/sandbox/process-table.ts";

export function lives(pid: number): boolean {
  return processMemory(pid) !== undefined;
}

export async function goneWithin(pid: number, limitMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < limitMs && lives(pid); waitedMs += 20) await pause(20);
  return !lives(pid);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
