/** holdfast wal: look at a write-ahead log, check it, and save what is sound of a damaged one (W8). */
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { HoldfastError } from "../../base/index.ts";
import { storeFolder } from "../../forge/index.ts";
import { inspectWal, repairWal, verifyWal, type WalLoss, type WalReport } from "../../wal/index.ts";
import { disk, parseFlags, usage } from "../arguments.ts";
import { exitCodes } from "../exit-code.ts";
import { formatBytes, Terminal } from "../terminal.ts";
import { stateFolder } from "./compile.ts";

export const walHelp = `holdfast wal inspect | verify | repair [FOLDER]

  inspect   prints every frame of the log: its file, place, kind, sequence number, entries and size
  verify    reads the whole log and says what it holds, and what of it is damaged
  repair    writes a sound copy of what verifies into another folder; the damaged log is left as it is

FOLDER is the one that holds the log files (default: that of the forge, STATE/store/log). None of these takes the log's lock
or changes it.

  --out DIR     repair: where the copy goes
  --yes         repair: do not ask
  --state DIR   the state folder (default: .holdfast, or HOLDFAST_STATE)
  --json        inspect: one JSON object a line; else one JSON object

Exit codes: 0 sound, 1 damaged or not repaired, 2 usage, 4 no such folder or log.

  holdfast wal verify
  holdfast wal repair --out saved-wal
`;

export async function walCommand(args: readonly string[]): Promise<number> {
  const { values: flags, positionals } = parseFlags("wal", args, {
    out: { type: "string" },
    yes: { type: "boolean", default: false },
    state: { type: "string" },
    json: { type: "boolean", default: false },
  });
  const [verb, given, ...more] = positionals;
  if (verb === undefined || !["inspect", "verify", "repair"].includes(verb) || more.length > 0)
    throw usage(
      `wal does not know ${JSON.stringify(verb ?? "")}`,
      "holdfast wal inspect, holdfast wal verify, or holdfast wal repair --out DIR",
    );
  if (verb !== "repair" && (flags.out !== undefined || flags.yes))
    throw usage(`--out and --yes belong to repair, not to ${verb}`, "holdfast wal repair --out DIR");
  const folder = given ?? join(storeFolder(stateFolder(flags.state)), "log");
  const terminal = new Terminal({ json: flags.json });
  if (verb === "inspect") return await inspect(terminal, folder);
  if (verb === "verify") return await verify(terminal, folder);
  if (flags.out === undefined) throw usage("repair needs a folder for the copy", "holdfast wal repair --out DIR");
  return await repair(terminal, folder, flags.out, flags.yes);
}

async function inspect(terminal: Terminal, folder: string): Promise<number> {
  let damaged = false;
  const onLoss = (loss: WalLoss): void => {
    damaged = true;
    if (terminal.json) terminal.object({ loss });
    else terminal.data(`damaged: ${lossText(loss)}`);
  };
  for await (const frame of inspectWal(disk, folder, { onLoss })) {
    if (terminal.json) {
      terminal.object(frame);
      continue;
    }
    const place = `${frame.path.split("/").at(-1) ?? frame.path}:${frame.offset}`;
    const count = frame.entries === 1 ? "1 entry" : `${frame.entries} entries`;
    const what = frame.entries > 0 ? `${count}, ${formatBytes(frame.payloadBytes)}` : formatBytes(frame.payloadBytes);
    const transaction = frame.transactionId === undefined ? "" : `  of ${frame.transactionId.slice(0, 8)}`;
    const time = new Date(frame.timestampMs).toISOString();
    terminal.data(
      `${place.padEnd(24)} ${frame.type.padEnd(8)} ${String(frame.sequence).padStart(10)}  ${time}  ${what}${transaction}`,
    );
  }
  return damaged ? exitCodes.failed : exitCodes.done;
}

async function verify(terminal: Terminal, folder: string): Promise<number> {
  const report = await verifyWal(disk, folder);
  if (terminal.json) terminal.object(report);
  else for (const line of reportLines(report)) terminal.data(line);
  for (const warning of report.warnings) terminal.warning(warning);
  if (report.lost.length > 0) terminal.note("save what verifies: holdfast wal repair --out DIR");
  return report.lost.length > 0 ? exitCodes.failed : exitCodes.done;
}

async function repair(terminal: Terminal, folder: string, into: string, yes: boolean): Promise<number> {
  const report = await verifyWal(disk, folder);
  for (const line of reportLines(report)) terminal.note(line);
  if (!yes && !(await confirmed(`Write a copy of the ${report.entries} sound entries to ${into}?`))) {
    terminal.note("nothing was written");
    return exitCodes.failed;
  }
  const done = await repairWal({ disk, folder, into });
  if (terminal.json) terminal.object({ ...done, folder: into });
  else terminal.data(into);
  terminal.note(`${done.entries} entries in ${into}; the damaged log in ${folder} is as it was`);
  return exitCodes.done;
}

async function confirmed(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true) {
    throw new HoldfastError("CLI_USAGE", "repair asks before it writes, and there is no terminal to ask at", {
      hint: "add --yes",
    });
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim());
  } finally {
    prompt.close();
  }
}

function reportLines(report: WalReport): string[] {
  const { files, frames, entries, firstSequence, lastSequence, rolledBack, torn, lost } = report;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const numbers = firstSequence === undefined ? "" : ` (${firstSequence} to ${lastSequence})`;
  const lines = [
    `${report.format} log: ${files.length} ${files.length === 1 ? "file" : "files"}, ${formatBytes(bytes)}, ` +
      `${frames} frames, ${entries} committed entries${numbers}`,
    report.sealed ? "closed in order" : "not closed: in use, or its process was ended",
  ];
  if (rolledBack > 0) lines.push(`rolled back: ${rolledBack} transactions that were never committed`);
  if (torn !== undefined)
    lines.push(`torn tail: ${torn.path} at offset ${torn.offset}, ${torn.tornBytes} bytes, never acknowledged`);
  for (const loss of lost) lines.push(`damaged: ${lossText(loss)}`);
  if (lost.length === 0) lines.push("sound: every frame verifies");
  return lines;
}

function lossText({ path, offset, lostBytes, reason, firstSequence, lastSequence }: WalLoss): string {
  const first = firstSequence ?? "?";
  const numbers = lastSequence === undefined ? `from ${first} on` : `${first} to ${lastSequence}`;
  return `${path} at offset ${offset}, ${lostBytes} bytes, sequence numbers ${numbers}: ${reason}`;
}
