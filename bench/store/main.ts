/**
 * The store beside its peers, each through the interface its users have, in turns in one process, on the disk of the
 * folder for temporary files. Figures are medians over the rounds; what matters are the ratios: how many times as good
 * ours is. Below 1 it says LOSS.
 *
 *     npm run bench:store [-- --only get,scan] [--items 200000] [--rounds 5] [--seconds 0.5] [--json FILE]
 *                         [--without holdfast,sqlite-vec] [--pause]
 *
 * Parts: get many absent range scan put bulk open memory vector, and pause, which must be asked for (--pause alone, or
 * by name). --items is what most parts hold, 400 bytes each; open and pause take five times as many, vector a quarter.
 * --seconds is what each line works in each round. --without leaves out all whose name begins so.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { NodeDisk } from "../../src/disk/index.ts";
import { installPeers, versionOf } from "../install.ts";
import { makeItems, valueBytes } from "./contender.ts";
import { contenders } from "./contenders.ts";
import { measureMemory, measureOpening } from "./opening.ts";
import { measurePause } from "./pause.ts";
import { measureReading } from "./reading.ts";
import type { Session } from "./session.ts";
import { measureVectors } from "./vectors.ts";
import { measureBulk, measurePuts } from "./writing.ts";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    items: { type: "string", default: "200000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "0.5" },
    json: { type: "string" },
    without: { type: "string", default: "" },
    pause: { type: "boolean", default: false },
  },
});

const allParts = ["get", "many", "absent", "range", "scan", "put", "bulk", "open", "memory", "vector"];
const peers = ["classic-level", "lmdb", "hnswlib-node", "usearch", "sqlite-vec"];

function chosenParts(): ReadonlySet<string> {
  const chosen = new Set(flags.only?.split(",") ?? (flags.pause ? [] : allParts));
  if (flags.pause) chosen.add("pause");
  for (const part of chosen)
    if (part !== "pause" && !allParts.includes(part))
      throw new Error(`there is no part ${part}; there are ${allParts.join(", ")} and pause`);
  return chosen;
}

async function main(): Promise<void> {
  const parts = chosenParts();
  installPeers(peers);
  const versions = Object.fromEntries(peers.map((name) => [name, versionOf(name)]));
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bench-store-"));
  const kept: Record<string, unknown[]> = {};
  const without = flags.without === "" ? [] : flags.without.split(",");
  const session: Session = {
    contenders: contenders.filter(({ name }) => !without.some((one) => name.startsWith(one))),
    count: Number(flags.items),
    items: makeItems(Number(flags.items)),
    rounds: Number(flags.rounds),
    turnMs: 1_000 * Number(flags.seconds),
    folder,
    without,
    say: (line) => void process.stdout.write(`${line}\n`),
    keep: (kind, value) => void (kept[kind] ??= []).push(value),
  };
  try {
    const mount = await new NodeDisk().mountOf(folder);
    const named = peers.map((name) => `${name} ${versions[name]}`).join(", ");
    session.say(`${session.count.toLocaleString("en")} items of ${valueBytes} bytes, ${session.rounds} rounds.`);
    session.say(`Node ${process.version}, ${named}, SQLite ${process.versions.sqlite}.`);
    session.say(`${folder}${mount === undefined ? "" : ` on ${mount.fileSystem} (${mount.options.join(",")})`}.\n`);
    await measureReading(session, parts);
    if (parts.has("put")) await measurePuts(session);
    if (parts.has("bulk")) await measureBulk(session);
    if (parts.has("open")) await measureOpening(session);
    if (parts.has("memory")) await measureMemory(session);
    if (parts.has("vector")) await measureVectors(session);
    if (parts.has("pause")) await measurePause(session);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (flags.json === undefined) return;
  const result = { node: process.version, versions, sqlite: process.versions.sqlite, items: session.count, ...kept };
  writeFileSync(flags.json, `${JSON.stringify(result, undefined, 2)}\n`);
}

await main();
