/**
 * What a cell does for the tensor toolchain: it compiles one unit, holds it against the reference and gives the object
 * back. Everything that may crash, hang or compute wrongly happens here.
 *
 * HOLDFAST_FAULTS makes chosen units misbehave, so that tests can see every verdict on the real path:
 * `<start of a unit's hash>=<segv|hang|heap|memory|wrong-numbers>`, several separated by commas.
 */
import { createHash } from "node:crypto";
import type { CellContext } from "../sandbox/index.ts";
import { compileUnit, type UnitFault } from "../tensor/index.ts";

export function handle(kind: string, payload: Uint8Array, context: CellContext): Uint8Array {
  if (kind !== "compile") throw new TypeError(`a tensor cell compiles units, it does not ${kind}`);
  const fault = faultFor(payload);
  context.phase(fault ? `fault ${fault}` : "compile");
  switch (fault) {
    case "segv":
      process.kill(process.pid, "SIGSEGV");
      for (;;);
    case "hang":
      for (;;);
    case "heap":
      return exhaustHeap();
    case "memory":
      return exhaustMemory();
    default:
      return compileUnit(payload, fault === "wrong-numbers" ? { fault: fault satisfies UnitFault } : {});
  }
}

function faultFor(spec: Uint8Array): string | undefined {
  const given = process.env.HOLDFAST_FAULTS;
  if (!given) return undefined;
  const hash = createHash("sha256").update(spec).digest("hex");
  for (const one of given.split(",")) {
    const [start, fault] = one.split("=");
    if (start && hash.startsWith(start)) return fault;
  }
  return undefined;
}

function exhaustHeap(): never {
  const held: number[][] = [];
  for (;;) held.push(new Array<number>(1024).fill(held.length));
}

function exhaustMemory(): never {
  const held: Uint8Array[] = [];
  for (;;) held.push(new Uint8Array(16 * 2 ** 20).fill(held.length + 1));
}
