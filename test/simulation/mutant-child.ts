/**
 * Runs the small simulation of the log, the checkpoints or the store on the sources with one marked line taken out
 * (none where no name is given), and prints what it found as JSON.
 */

import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { type Subject, withoutMutant } from "./mutants.ts";
import type { SmallReport } from "./small.ts";

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
const simulations: Readonly<Record<Subject, () => Promise<() => Promise<SmallReport>>>> = {
  log: async () => (await import("./small.ts")).smallSimulation,
  checkpoints: async () => (await import("./checkpoint-small.ts")).smallCheckpointSimulation,
  store: async () => (await import("./store/small.ts")).smallStoreSimulation,
};
const small = await simulations[subject as Subject]();
process.stdout.write(JSON.stringify(await small()), () => process.exit(0));
