/** The verbs of `holdfast store` that check, change or move one. */
import { HoldfastError } from "../../base/index.ts";
import {
  type BackupProgress,
  type Finding,
  load,
  openStore,
  restoreStore,
  type Store,
  verifyStore,
} from "../../store/index.ts";
import { disk } from "../arguments.ts";
import { exitCodes } from "../exit-code.ts";
import { formatBytes, formatMs, type Terminal } from "../terminal.ts";
import type { StoreCall } from "./store.ts";
import { toldTo } from "./store-read.ts";

/** A store that is there: none is made. */
async function opened({ terminal, folder, flags }: StoreCall): Promise<Store> {
  await refuseMissing(folder);
  const recovery = flags.salvage ? "salvage" : "strict";
  return await openStore({ folder, disk, manual: true, recovery, onEvent: toldTo(terminal, folder) });
}

async function refuseMissing(folder: string): Promise<void> {
  if ((await disk.stat(folder))?.kind === "folder" && (await disk.list(folder)).some(({ name }) => name === "CURRENT"))
    return;
  throw new HoldfastError("STORE_MISSING", `there is no store in ${folder}`, {
    hint: "Check the path: a store is a folder with a file CURRENT.",
    details: { path: folder },
  });
}

function progressOn(terminal: Terminal, what: string): (progress: BackupProgress) => void {
  return ({ doneBytes, totalBytes }) =>
    terminal.status(`${what}: ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`);
}

export async function verify({ terminal, folder }: StoreCall): Promise<number> {
  const report = await verifyStore({ folder, disk, onProgress: progressOn(terminal, "checking") });
  terminal.status("");
  const { isSound, findings, omitted, segments, contentFiles, entries, contents, bytes, logEntries } = report;
  if (terminal.json) terminal.object(report);
  else {
    for (const finding of findings) terminal.data(findingText(finding));
    if (omitted > 0) terminal.data(`and ${omitted} more of the same kinds`);
    terminal.data(
      `${segments} segments with ${entries} entries, ${contentFiles} content files with ${contents} contents, ` +
        `${formatBytes(bytes)}; ${logEntries ?? "no readable"} entries in the log`,
    );
    terminal.data(isSound ? "sound: every byte is as it was written" : "not sound");
  }
  for (const advice of new Set(findings.filter(({ severity }) => severity !== "harmless").map((one) => one.advice)))
    terminal.note(advice);
  return isSound ? exitCodes.done : exitCodes.failed;
}

function findingText({ severity, part, path, offset, reason }: Finding): string {
  return `${severity}: ${part}, ${path}${offset === undefined ? "" : ` at offset ${offset}`}: ${reason}`;
}

export async function compact(call: StoreCall): Promise<number> {
  const { terminal, folder } = call;
  await using store = await opened(call);
  const before = sizeOf(store);
  await store.compact();
  const { freedBytes } = await store.compactContent({ minimumGarbage: 0 });
  const after = sizeOf(store);
  const { segments, lost } = store.statistics();
  if (terminal.json) terminal.object({ beforeBytes: before, afterBytes: after, freedBytes, segments, lost });
  else terminal.data(`${formatBytes(before)} before, ${formatBytes(after)} now`);
  if (lost.length > 0) terminal.note(`what was lost stays lost: holdfast store accept-loss ${folder}`);
  return exitCodes.done;
}

function sizeOf(store: Store): number {
  const { segments, contentFiles } = store.statistics();
  return [...segments, ...contentFiles].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

export async function consolidate(call: StoreCall): Promise<number> {
  const { terminal, flags } = call;
  await using store = await opened(call);
  const report = await store.consolidate({ dryRun: flags["dry-run"] });
  if (terminal.json) {
    terminal.object(report);
    return exitCodes.done;
  }
  const { kappa, edges, prototypes, pruned, conflicts, durationMs } = report;
  const would = flags["dry-run"] ? "would be " : "";
  terminal.data(`${kappa.length} items ${would}strengthened, ${edges.length} edges ${would}changed`);
  terminal.data(`${prototypes.length} prototypes ${would}made, updated or removed`);
  for (const { reason, collection, id } of pruned) terminal.data(`${would}removed (${reason}): ${collection}/${id}`);
  if (conflicts.length > 0) terminal.note(`${conflicts.length} were left alone: they were changed or used meanwhile`);
  terminal.note(`in ${formatMs(durationMs)}`);
  return exitCodes.done;
}

export async function acceptLoss(call: StoreCall): Promise<number> {
  const { terminal, flags, folder } = call;
  if (!flags.yes) {
    throw new HoldfastError("CLI_USAGE", "accept-loss brings back older versions, and perhaps what was deleted", {
      hint: `Dump or back up first what you need; then: holdfast store accept-loss ${folder} --yes`,
    });
  }
  await using store = await opened(call);
  const accepted = await store.acceptLoss();
  if (terminal.json) terminal.object({ accepted });
  else
    for (const { from, to, path, offset } of accepted) terminal.data(`${from} to ${to}: ${path} at offset ${offset}`);
  terminal.note(accepted.length === 0 ? "nothing was lost" : `${accepted.length} losses count no longer`);
  return exitCodes.done;
}

export async function backup(call: StoreCall): Promise<number> {
  const { terminal, rest } = call;
  const [target = ""] = rest;
  await using store = await opened(call);
  const report = await store.backup(target, { onProgress: progressOn(terminal, "copying") });
  terminal.status("");
  if (terminal.json) terminal.object({ ...report, target });
  else terminal.data(target);
  terminal.note(
    `${report.copiedFiles} files copied, ${formatBytes(report.copiedBytes)}; ${report.keptFiles} were there already; ` +
      `everything up to version ${report.version} is in it`,
  );
  return exitCodes.done;
}

export async function restore({ terminal, folder, rest }: StoreCall): Promise<number> {
  const [to = ""] = rest;
  const report = await restoreStore({ from: folder, to, disk, onProgress: progressOn(terminal, "copying") });
  terminal.status("");
  if (terminal.json) terminal.object({ ...report, folder: to });
  else terminal.data(to);
  terminal.note(
    `${report.files} files, ${formatBytes(report.bytes)}: the store as it was at version ${report.version}`,
  );
  return exitCodes.done;
}

export async function loadFrom({ terminal, folder, flags, rest }: StoreCall): Promise<number> {
  const [file] = rest;
  await using store = await openStore({ folder, disk, manual: true, onEvent: toldTo(terminal, folder) });
  const report = await load(store, linesOf(file), { merge: flags.merge, isEdited: flags.edited });
  if (terminal.json) terminal.object(report);
  else terminal.data(`${report.items} items and ${report.edges} edges in ${report.collections} collections`);
  if (report.expired > 0) terminal.note(`${report.expired} items had expired, and were left out`);
  return exitCodes.done;
}

async function* linesOf(file: string | undefined): AsyncGenerator<string, void> {
  const chunks = file === undefined || file === "-" ? process.stdin : chunksOf(file);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for await (const chunk of chunks) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
  if (text !== "") yield text;
}

async function* chunksOf(path: string): AsyncGenerator<Uint8Array, void> {
  await using file = await disk.open(path, "read");
  for (let offset = 0; ; ) {
    const bytes = new Uint8Array(2 ** 18);
    const count = await file.readAt(bytes, offset);
    if (count === 0) return;
    offset += count;
    yield bytes.subarray(0, count);
  }
}
