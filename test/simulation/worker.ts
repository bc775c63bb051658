/** Runs the parts of the simulation that it is sent, one after the other. */

import { parentPort } from "node:worker_threads";
import { runTask, type Task } from "./task.ts";

// Stacks are not needed, and take a third of the time where every crash is an exception.
Error.stackTraceLimit = 0;

parentPort?.on("message", async (task: Task) => {
  const report = await runTask(task, (states) => parentPort?.postMessage({ states }));
  parentPort?.postMessage({ report });
});
