/** The verbs of `holdfast store` that only read: each opens the store for reading. */
import { once } from "node:events";
import { HoldfastError, utf8Text } from "../../base/index.ts";
import { dump, type Item, openStore, type SearchOptions, type Store, type StoreEvent } from "../../store/index.ts";
import { disk, fileLimitBytes, usage } from "../arguments.ts";
import { exitCodes } from "../exit-code.ts";
import { formatBytes, formatTable, type Terminal } from "../terminal.ts";
import type { StoreCall } from "./store.ts";

/** Says on standard error what is found damaged, as it is found. */
export function toldTo(terminal: Terminal, folder: string): (event: StoreEvent) => void {
  return (event) => {
    if (event.kind !== "damage") return;
    const { path, offset, reason } = event;
    terminal.warning({
      message: `${path} is damaged at offset ${offset}: ${reason}`,
      hint: `holdfast store verify ${folder}`,
    });
  };
}

export function openForReading({ terminal, folder, flags }: StoreCall): Promise<Store> {
  const recovery = flags.salvage ? "salvage" : "strict";
  return openStore({ folder, disk, readOnly: true, recovery, onEvent: toldTo(terminal, folder) });
}

export async function stats(call: StoreCall): Promise<number> {
  const { terminal, folder } = call;
  await using store = await openForReading(call);
  const statistics = store.statistics();
  const collections = store.collections();
  if (terminal.json) {
    terminal.object({ collections, ...statistics });
    return exitCodes.done;
  }
  const { segments, contentFiles, lost } = statistics;
  for (const line of summaryOf(statistics)) terminal.data(line);
  const names = collections.map(({ name, settings: { vectors } }) =>
    vectors === undefined ? name : `${name} (${vectors.dimension} × ${vectors.metric})`,
  );
  terminal.data(`collections: ${names.join(", ") || "none"}`);
  const rows = segments.map(({ id, level, entries, tombstones, sizeBytes }) => [
    ...["segment", String(id), `level ${level}`, `${entries} entries`, `${tombstones} deletions`],
    formatBytes(sizeBytes),
  ]);
  for (const { id, contentBytes, fragmentation, sizeBytes } of contentFiles)
    rows.push(["content", String(id), formatBytes(contentBytes), garbageOf(fragmentation), "", formatBytes(sizeBytes)]);
  if (rows.length > 0) terminal.data(formatTable(rows));
  for (const { from, to, path, offset } of lost) terminal.data(`lost: ${from} to ${to}, ${path} at offset ${offset}`);
  if (lost.length > 0) terminal.note(`something was lost; what and why: holdfast store verify ${folder}`);
  return exitCodes.done;
}

function summaryOf({ version, segments, contentFiles, memtableEntries }: ReturnType<Store["statistics"]>): string[] {
  const sum = (list: readonly { readonly sizeBytes: number }[]): string =>
    formatBytes(list.reduce((total, { sizeBytes }) => total + sizeBytes, 0));
  return [
    `version ${version}`,
    `${segments.length} segments, ${sum(segments)}; ${contentFiles.length} content files, ${sum(contentFiles)}; ` +
      `${memtableEntries} entries in the log alone`,
  ];
}

function garbageOf(fragmentation: number): string {
  return `${Math.round(fragmentation * 100)} % garbage`;
}

export async function get(call: StoreCall): Promise<number> {
  const { terminal, folder, rest } = call;
  const [name = "", id = ""] = rest;
  await using store = await openForReading(call);
  const item = await (await store.collection(name)).get(id);
  if (item === undefined) {
    throw new HoldfastError("STORE_NOT_FOUND", `there is no item ${JSON.stringify(id)} in ${name}`, {
      hint: `holdfast store scan ${folder} ${name} lists the items`,
    });
  }
  if (terminal.json) terminal.object(plain(item));
  else if (item.content instanceof Uint8Array) await written(item.content);
  else terminal.data(textOf(item.content));
  return exitCodes.done;
}

export async function scan(call: StoreCall): Promise<number> {
  const { terminal, flags, rest } = call;
  await using store = await openForReading(call);
  const reader = await store.collection(rest[0] ?? "");
  const { from, to, prefix, reverse } = flags;
  const range = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
  const limit = flags.limit === undefined ? {} : { limit: countOf("--limit", flags.limit) };
  const options = { ...range, ...(prefix !== undefined && { prefix }), reverse, skipLost: flags["skip-lost"] };
  for await (const item of reader.scan({ ...options, ...limit, withContent: terminal.json })) {
    if (terminal.json) await written(`${JSON.stringify(plain(item))}\n`);
    else await written(`${item.id}\n`);
  }
  return exitCodes.done;
}

export async function search(call: StoreCall): Promise<number> {
  const { terminal, flags, rest } = call;
  if (flags.vector === undefined) throw usage("search needs a vector", "--vector '[0.1, 0.2]' or --vector @FILE.json");
  const vector = await vectorOf(flags.vector);
  await using store = await openForReading(call);
  const reader = await store.collection(rest[0] ?? "");
  const options: SearchOptions = {
    ...(flags.k === undefined ? {} : { k: countOf("--k", flags.k) }),
    ...(flags.filter === undefined ? {} : { filter: flags.filter }),
  };
  const result = await reader.search(vector, options);
  if (terminal.json) terminal.object(result);
  else for (const { id, distance } of result.hits) terminal.data(`${distance.toFixed(6).padStart(12)}  ${id}`);
  return exitCodes.done;
}

export async function dumpTo(call: StoreCall): Promise<number> {
  await using store = await openForReading(call);
  for await (const line of dump(store, { skipLost: call.flags["skip-lost"] })) await written(line);
  return exitCodes.done;
}

async function vectorOf(given: string): Promise<Float32Array> {
  const text = given.startsWith("@")
    ? utf8Text(await disk.readFile(given.slice(1), { limitBytes: fileLimitBytes }))
    : given;
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    found = undefined;
  }
  const isVector = Array.isArray(found) && found.length > 0 && found.every((one) => typeof one === "number");
  if (!isVector) throw usage("the vector is no array of numbers", "--vector '[0.1, 0.2]' or --vector @FILE.json");
  return Float32Array.from(found as number[]);
}

function countOf(flag: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw usage(`${flag} ${text} is no count`, `${flag} 10`);
}

function plain(item: Item): Record<string, unknown> {
  const { id, collection, version, content, embedding, metadata, kappa, pinned, createdMs, updatedMs, expiryMs } = item;
  return {
    ...{ id, collection, version, kappa, pinned, createdMs, updatedMs },
    ...(expiryMs === undefined ? {} : { expiryMs }),
    ...(content instanceof Uint8Array ? { bytes: Buffer.from(content).toString("base64") } : { content }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(embedding === undefined ? {} : { embedding: [...embedding] }),
  };
}

function textOf(content: Item["content"]): string {
  return typeof content === "string" ? content : JSON.stringify(content, null, 2);
}

/** Waits where whoever reads is slower. */
async function written(data: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(data)) await once(process.stdout, "drain");
}
