/**
 * A process that merges, and ends as it may: `awaited` waits for the job and says so, `background` starts one that
 * nobody waits for, `idle` does nothing more after a job. Arguments: which of these, and a folder with two segments.
 */

import { HoldfastError } from "../../../base/index.ts";
import { NodeDisk } from "../../../disk/index.ts";
import { compactionHost } from "../host.ts";
import { flushed, item, jobOf } from "./layers.ts";

const [mode = "", folder = ""] = process.argv.slice(2);
const disk = new NodeDisk();
const files = await Promise.all(
  [2, 1].map((fileId) =>
    flushed(
      disk,
      Array.from({ length: 20_000 }, (_, place) => item(`n${fileId}-${place}`, fileId * 100_000 + place)),
      { fileId, folder, blockBytes: 8_192 },
    ),
  ),
);
const host = compactionHost({ kind: "worker", disk, idleMs: 600_000 });
const job = jobOf(
  files.filter((file) => file !== undefined),
  { folder },
);
const running = host.run(job, { isBackground: mode === "background" });
if (mode === "background") running.catch((error: unknown) => HoldfastError.is(error));
else process.stdout.write(`${(await running).file?.entries} entries\n`);
