/** A process that owns a cell and ends, in the way its argument says, without disposing of its pool. */

import { createCellPool } from "../../src/sandbox/index.ts";

const [ending = "", job = "loop"] = process.argv.slice(2);
const pool = createCellPool({
  module: new URL("./faulty-handler.ts", import.meta.url),
  cells: 1,
  memoryLimitBytes: 64 * 2 ** 20,
});
const payload = new TextEncoder().encode(job === "signal" ? "SIGSTOP" : "");

pool.on("ready", ({ pid }) => {
  if (ending !== "idle") void pool.run({ kind: job, payload, timeoutMs: 60_000 });
  // Time for the cell to be deep in its loop before anybody is told.
  setTimeout(() => {
    process.stdout.write(`${pid}\n`);
    if (ending === "exit") process.exit(0);
  }, 150);
});
