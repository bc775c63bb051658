/**
 * The real worker, with a fault that the level of the job's output asks for: in the middle of the job, where its file
 * is half written. One that builds sections for a collection called "exit" ends with the first entries.
 */

import { parentPort, threadId } from "node:worker_threads";
import type { FromWorker, ToWorker } from "../worker-message.ts";
import { faultLevels } from "./fault-levels.ts";

const port = parentPort!;
let level = 0;
let isDoomed = false;
const hoard: unknown[] = [];

const strike: Readonly<Record<number, () => void>> = {
  [faultLevels.exit]: () => process.exit(3),
  [faultLevels.throws]: () => {
    setImmediate(() => {
      throw new TypeError("a bug of somebody");
    });
  },
  [faultLevels.memory]: () => {
    for (;;) hoard.push(Array.from({ length: 100_000 }, (_, place) => ({ place })));
  },
};

const post = port.postMessage.bind(port);
port.postMessage = (message: FromWorker) => {
  if (message.kind === "progress") strike[level]?.();
  post(message);
};

// Before the listener below: to listen is what starts the port.
await import("../worker-main.ts");

port.on("message", (message: ToWorker) => {
  if (message.kind === "build") isDoomed = message.collections.some(({ name }) => name === "exit");
  if (message.kind === "entries" && isDoomed) process.exit(4);
  if (message.kind !== "run") return;
  ({ level } = message.job.output);
  if (level !== faultLevels.name) return;
  const error = { code: "STORE_TEST", message: "asked who it is", retryable: false, details: { thread: threadId } };
  port.postMessage({ kind: "failed", id: message.id, error } satisfies FromWorker);
});
