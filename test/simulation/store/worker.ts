/** Plays the scripts that it is sent, one after the other. */

import { parentPort } from "node:worker_threads";
import { openStore } from "../../../src/store/engine/open-store.ts";
import { type RunReport, runScript } from "./runner.ts";
import { makeScript, type ScriptOptions } from "./script.ts";

export interface SoakTask extends ScriptOptions {
  readonly seed: number;
  readonly scriptOperations: number;
}

// Stacks take a good part of the time where every crash is an exception; who plays a script again gets them.
Error.stackTraceLimit = 0;

parentPort?.on("message", async ({ seed, scriptOperations, ...options }: SoakTask) => {
  const report: RunReport = await runScript(openStore, makeScript(seed, scriptOperations, options));
  parentPort?.postMessage(report);
});
