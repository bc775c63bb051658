/**
 * The write-ahead log beside other ways to make records durable, in turns in one process, on the disk of the folder
 * for temporary files.
 *
 *     npm run bench:wal [-- --seconds 10] [--rounds 5] [--only 64] [--forms default] [--entries 1000000]
 *
 * --seconds is what each contender of a row works in all, split over the rounds. Prints records per second, ratios,
 * and the floors we hold ourselves to; a missed floor says MISSED, and the exit code stays 0.
 */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../../src/base/index.ts";
import { NodeDisk } from "../../src/disk/index.ts";
import { installPeers } from "../install.ts";
import { type Contender, makeRecords, recordBytes, type Turn } from "./contender.ts";
import { defaultForm, forms, holdfast, nameOf } from "./holdfast.ts";
import { type Load, peersFor } from "./peers.ts";
import { rawAppend, rawAppendBlocking } from "./raw.ts";
import { measureRecovery, type RecoveryResult } from "./recovery.ts";
import {
  type Floor,
  floorReport,
  type Result,
  type Row,
  ratio,
  recoveryRate,
  recoveryReport,
  rowReport,
} from "./report.ts";

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "5" },
    /** Rows whose title contains this; `recovery` for that alone. */
    only: { type: "string", default: "" },
    forms: { type: "string", default: "all" },
    entries: { type: "string", default: "1000000" },
  },
});
const turnMs = (1_000 * Number(flags.seconds)) / Number(flags.rounds);
const warmUpMs = Math.min(500, turnMs);
const records = makeRecords(4_096, seededRandom(1));
const measuredForms = flags.forms === "all" ? forms : [defaultForm];

const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface RowPlan extends Load {
  readonly title: string;
  readonly floor?: { readonly to: "raw" | "peer"; readonly atLeast: number };
}

const plans: readonly RowPlan[] = [
  { title: "1 writer", writers: 1, recordsEach: 1, floor: { to: "raw", atLeast: 0.85 } },
  { title: "64 writers", writers: 64, recordsEach: 1, floor: { to: "peer", atLeast: 1.5 } },
  { title: "1024 writers", writers: 1_024, recordsEach: 1, floor: { to: "peer", atLeast: 2 } },
  { title: "1 writer, batches of 64", writers: 1, recordsEach: 64 },
];

function contendersOf(plan: RowPlan): { contender: Contender; kind: Result["kind"] }[] {
  const raw = plan.writers === 1 && plan.recordsEach === 1 ? [rawAppend(records), rawAppendBlocking(records)] : [];
  const peers = peersFor(plan, records);
  return [
    ...measuredForms.map((form) => ({ contender: holdfast(form, plan, records), kind: "holdfast" as const })),
    ...raw.map((contender) => ({ contender, kind: "raw" as const })),
    ...peers.map((contender) => ({ contender, kind: "peer" as const })),
  ];
}

/** Every contender stays open for the whole row and works in every round, in an order that turns round each time. */
async function measureRow(plan: RowPlan, folder: string): Promise<Row> {
  mkdirSync(folder);
  const contenders = contendersOf(plan);
  const open = [];
  try {
    for (const [place, { contender }] of contenders.entries()) {
      const own = join(folder, String(place));
      mkdirSync(own);
      open.push(await contender.open(own));
    }
    for (const contender of open) await contender.turn(warmUpMs);
    const turns = open.map((): Turn[] => []);
    const places = [...open.keys()];
    for (let round = 0; round < Number(flags.rounds); round++)
      for (const place of round % 2 === 0 ? places : places.toReversed())
        turns[place]!.push(await open[place]!.turn(turnMs));
    const results = contenders.map(({ contender, kind }, place) => ({
      name: contender.name,
      kind,
      turns: turns[place]!,
    }));
    return { title: plan.title, results };
  } finally {
    for (const contender of open) await contender.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function describeDisk(folder: string): Promise<string> {
  const mount = await new NodeDisk().mountOf(folder);
  const where = mount === undefined ? "" : ` on ${mount.fileSystem} (${mount.options.join(",")})`;
  return `Records of ${recordBytes} bytes, Node ${process.version}, ${folder}${where}.`;
}

async function main(): Promise<void> {
  installPeers(["lmdb", "classic-level"]);
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bench-wal-"));
  const floors: Floor[] = [];
  try {
    say(await describeDisk(folder));
    for (const plan of plans.filter(({ title }) => title.includes(flags.only))) {
      const row = await measureRow(plan, join(folder, "row"));
      say(rowReport(row).join("\n"));
      if (plan.floor === undefined) continue;
      const { to, atLeast } = plan.floor;
      const what = `${plan.title}, times ${to === "raw" ? "raw append + fdatasync" : "the best peer"}`;
      floors.push({ what, value: ratio(row, nameOf(defaultForm), to), atLeast });
    }
    if ("recovery".includes(flags.only)) floors.push(...(await recovery(folder)));
    say(floorReport(floors).join("\n"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function recovery(folder: string): Promise<Floor[]> {
  const results: RecoveryResult[] = [];
  for (const format of ["binary", "json"] as const)
    results.push(await measureRecovery(format, Number(flags.entries), records, join(folder, "recovery")));
  say(recoveryReport(results).join("\n"));
  return results
    .filter(({ format }) => format === defaultForm.format)
    .map((result) => ({ what: `recovery, ${result.format}, MB/s`, value: recoveryRate(result), atLeast: 300 }));
}

await main();
