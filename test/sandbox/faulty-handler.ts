/** A handler that misbehaves on demand: one kind of job for every way to die. */

import { spawn } from "node:child_process";
import { readFileSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { HoldfastError, utf8, utf8Text } from "../../src/base/index.ts";
import type { CellContext } from "../../src/sandbox/index.ts";

type Fault = (payload: Uint8Array, context: CellContext) => Uint8Array | Promise<Uint8Array>;

let calls = 0;
const held: unknown[] = [];
const mebibyte = 2 ** 20;

function forever(): never {
  for (;;) calls += 0;
}

function stay(): Promise<never> {
  setInterval(() => {}, 1_000);
  return new Promise(() => {});
}

const faults: Readonly<Record<string, Fault>> = {
  echo: (payload) => payload,
  pid: () => utf8(String(process.pid)),
  calls: () => utf8(String(calls)),
  environment: () => utf8(JSON.stringify(process.env)),
  "throw-holdfast": () => {
    throw new HoldfastError("TENSOR_SHAPE", "shapes do not agree", { hint: "look", details: { rank: 3 } });
  },
  "throw-oddity": () => {
    throw { toString: () => forever };
  },
  "throw-later": () => {
    setTimeout(() => {
      throw new HoldfastError("TENSOR_LATE", "thrown outside the call");
    }, 1);
    return stay();
  },
  signal: (payload, context) => {
    context.phase("before the crash");
    process.stdout.write("about to crash\n");
    process.kill(process.pid, utf8Text(payload));
    return forever();
  },
  abort: () => process.abort(),
  loop: (_, context) => {
    context.phase("looping");
    return forever();
  },
  "loop-deaf": () => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const) process.on(signal, () => {});
    return forever();
  },
  wait: async (payload) => {
    await new Promise((resolve) => setTimeout(resolve, Number(utf8Text(payload))));
    return payload;
  },
  "fill-heap": () => {
    for (;;) held.push({ place: held.length, more: [held.length] });
  },
  "fill-buffers": () => {
    for (;;) held.push(new Uint8Array(4 * mebibyte));
  },
  "fill-touched": async () => {
    for (;;) {
      held.push(new Uint8Array(4 * mebibyte).fill(1));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  },
  "fill-wasm": () => {
    // The type declarations of Node know of no growth.
    const memory = new WebAssembly.Memory({ initial: 1 }) as WebAssembly.Memory & { grow(pages: number): number };
    held.push(memory);
    for (;;) memory.grow(64);
  },
  exit: (payload) => process.exit(Number(utf8Text(payload))),
  garbage: () => {
    writeSync(3, "this is no frame, and it is longer than a header");
    return forever();
  },
  "false-reply": (_, context) => {
    context.phase("x".repeat(10));
    writeSync(3, new Uint8Array(24));
    return stay();
  },
  "wrong-type": () => "text" as unknown as Uint8Array,
  grandchild: () => {
    const child = spawn("/bin/sleep", ["600"], { stdio: "inherit" });
    process.stdout.write(`grandchild ${child.pid}\n`);
    return stay();
  },
  chatter: () => {
    for (let line = 0; line < 5_000; line++) process.stdout.write(`line ${line} ${"-".repeat(100)}\n`);
    return process.exit(9);
  },
  "read-file": (payload) => readFileSync(utf8Text(payload)),
  dial: (payload) =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(utf8Text(payload)), "127.0.0.1", () => resolve(utf8("connected")));
      socket.on("error", reject);
    }),
};

export function handle(kind: string, payload: Uint8Array, context: CellContext): Uint8Array | Promise<Uint8Array> {
  calls++;
  const fault = faults[kind];
  if (fault === undefined) throw new HoldfastError("CELL_KIND", `no fault called ${kind}`);
  return fault(payload, context);
}
