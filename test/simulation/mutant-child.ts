/**
 * Runs the small simulation on the sources with one marked line taken out (none where no name is given), and prints
 * what it found as JSON.
 */

import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { withoutMutant } from "./mutants.ts";

const [, , name] = process.argv;

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
const { smallSimulation } = await import("./small.ts");
process.stdout.write(JSON.stringify(await smallSimulation()));
