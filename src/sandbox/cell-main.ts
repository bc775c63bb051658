/**
 * The process of a cell: imports the handler module, says that it is ready, then does one job after another.
 *
 * It trusts nothing to itself that matters: deadlines, limits and its death are the parent's. It ends when the pipe
 * closes, since nobody is left to work for.
 */

import { writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { HoldfastError, utf8 } from "../base/index.ts";
import { FrameDecoder, FrameType, frameHeader } from "./frame.ts";
import type { CellHandler } from "./handler.ts";
import { failureNote, readJob } from "./message.ts";

const [moduleUrl = "", payloadLimit = "0"] = process.argv.slice(2);
const channel = new Socket({ fd: 3, readable: true, writable: true });
let currentJob = 0;

function send(type: FrameType, job: number, body: Uint8Array, afterwards?: () => void): void {
  channel.cork();
  channel.write(frameHeader(type, job, [body]));
  channel.write(body, afterwards);
  channel.uncork();
}

/** Asks the kernel to take this process before its parent when memory runs out. Not every kernel lets it. */
function preferOutOfMemoryKill(): void {
  try {
    writeFileSync("/proc/self/oom_score_adj", "500");
  } catch {
    // The parent reports what is enforced; a cell without this still works.
  }
}

/**
 * Makes a write to stdout or stderr wait until it is written: what a cell says last is what one wants to read, and it
 * would be lost in a queue. Node has no public way to ask for this.
 */
function writeAtOnce(stream: NodeJS.WriteStream): void {
  const { _handle: handle } = stream as { readonly _handle?: { readonly setBlocking?: (on: boolean) => void } };
  handle?.setBlocking?.(true);
}

async function loadHandler(): Promise<CellHandler> {
  const loaded: unknown = await import(moduleUrl);
  const handle = (loaded as { readonly handle?: unknown }).handle;
  if (typeof handle !== "function") {
    throw new HoldfastError("CELL_MODULE", `the handler module ${moduleUrl} exports no function "handle"`, {
      hint: "export function handle(kind, payload, context) { ... }",
    });
  }
  return handle as CellHandler;
}

async function work(handle: CellHandler, job: number, body: Uint8Array): Promise<void> {
  currentJob = job;
  try {
    const { kind, payload } = readJob(body);
    const phase = (name: string): void => send(FrameType.phase, job, utf8(name.slice(0, 1_000)));
    const reply: unknown = await handle(kind, payload, { phase });
    if (!(reply instanceof Uint8Array)) {
      throw new HoldfastError("CELL_REPLY", `the handler of "${kind}" returned something else than a Uint8Array`);
    }
    if (reply.length > Number(payloadLimit)) {
      throw new HoldfastError("CELL_REPLY", `the reply of ${reply.length} bytes is over the limit of ${payloadLimit}`);
    }
    currentJob = 0;
    send(FrameType.reply, job, reply);
  } catch (thrown) {
    currentJob = 0;
    logStack(thrown);
    send(FrameType.error, job, failureNote(thrown, false));
  }
}

function logStack(thrown: unknown): void {
  if (thrown instanceof Error) process.stderr.write(`${thrown.stack ?? thrown.message}\n`);
}

/** A throw outside the handler's own call: the state of the process is unknown, so it says why and ends. */
function endUncaught(thrown: unknown): void {
  logStack(thrown);
  if (currentJob === 0) process.exit(1);
  send(FrameType.error, currentJob, failureNote(thrown, true), () => process.exit(1));
}

preferOutOfMemoryKill();
channel.on("error", () => process.exit(0));
channel.on("close", () => process.exit(0));
try {
  const handle = await loadHandler();
  process.on("uncaughtException", endUncaught);
  const decoder = new FrameDecoder(Number(payloadLimit));
  channel.on("data", (chunk: Uint8Array) => {
    for (const frame of decoder.push(chunk)) void work(handle, frame.job, frame.body);
  });
  send(FrameType.ready, 0, new Uint8Array(0));
  writeAtOnce(process.stdout);
  writeAtOnce(process.stderr);
} catch (thrown) {
  logStack(thrown);
  send(FrameType.bootstrapFailure, 0, failureNote(thrown, true), () => process.exit(1));
}
