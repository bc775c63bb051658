/** A handler module that never becomes ready; the query of its URL says how. */

import { HoldfastError } from "../../src/base/index.ts";

const how = new URL(import.meta.url).search;
if (how === "?throws") throw new HoldfastError("CELL_TEST", "this module refuses to load");
if (how === "?crashes") process.kill(process.pid, "SIGSEGV");
if (how === "?hangs") await new Promise(() => setInterval(() => {}, 1_000));
