/** holdfast jobs: what the state folder knows of jobs; `jobs resume` finishes those that were cut off. */

import { availableParallelism } from "node:os";
import { errorToWire } from "../../base/index.ts";
import { openForge, tensorToolchain } from "../../forge/index.ts";
import { parseFlags, usage } from "../arguments.ts";
import { exitCodes } from "../exit-code.ts";
import { formatTable, Terminal } from "../terminal.ts";
import { stateFolder } from "./compile.ts";

export const jobsHelp = `holdfast jobs [resume]

Lists the jobs of a state folder, oldest first. "resume" carries on those that were cut off, in their order.

  --state DIR  the state folder (default: .holdfast, or HOLDFAST_STATE)
  --json       as one JSON object
`;

export async function jobsCommand(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags("jobs", args, {
    state: { type: "string" },
    json: { type: "boolean", default: false },
  });
  const [verb, ...more] = positionals;
  const unknown = verb === "resume" ? more[0] : verb;
  if (unknown !== undefined) throw usage(`jobs does not know ${JSON.stringify(unknown)}`, "use jobs, or jobs resume");
  const terminal = new Terminal({ json: flags.json });
  await using forge = await openForge({
    stateDir: stateFolder(flags.state),
    toolchain: tensorToolchain,
    cells: availableParallelism(),
  });
  for (const warning of forge.warnings) terminal.warning(warning);
  let failed = false;
  if (verb === "resume") {
    const outcomes = await Promise.allSettled(forge.resume().map((handle) => handle.result()));
    failed = outcomes.some(({ status }) => status === "rejected");
  }
  const jobs = forge.jobs();
  if (flags.json) {
    terminal.object({ jobs: jobs.map((job) => ({ ...job, failure: job.failure && errorToWire(job.failure) })) });
  } else if (jobs.length === 0) terminal.note("no jobs yet: holdfast compile MODEL.onnx");
  else {
    const rows = jobs.map((job) => [
      job.id.slice(0, 12),
      job.state,
      job.name,
      job.strategy,
      `${job.units} units${job.eagerUnits > 0 ? `, ${job.eagerUnits} eager` : ""}`,
      new Date(job.acceptedMs).toISOString().slice(0, 19),
      job.failure?.message ?? "",
    ]);
    terminal.data(formatTable(rows));
  }
  return failed ? exitCodes.failed : exitCodes.done;
}
