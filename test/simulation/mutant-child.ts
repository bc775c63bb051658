/**
 * Runs the small simulation of the log or of the checkpoints on the sources with one marked line taken out (none where
 * no name is given), and prints what it found as JSON.
 */

import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { withoutMutant } from "./mutants.ts";

const [, , subject, name] = process.argv;

if (name !== undefined) {
  registerHooks({
    load(url, context, nextLoad) {
      if (!url.startsWith("file:") || !url.includes("/src/") || !url.endsWith(".ts")) return nextLoad(url, context);
      const source = withoutMutant(readFileSync(fileURLToPath(url), "utf8"), name);
      return { format: "module-typescript", source, shortCircuit: true };
    },
  });
}

// Stacks are not needed, and take a third of the time where every crash is an exception.
Error.stackTraceLimit = 0;
const small =
  subject === "log"
    ? (await import("./small.ts")).smallSimulation
    : (await import("./checkpoint-small.ts")).smallCheckpointSimulation;
process.stdout.write(JSON.stringify(await small()));
