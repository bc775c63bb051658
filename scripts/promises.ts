/**
 * Holds docs/promises.md against the tests and benchmarks.
 *
 * Lists for every promise the titles that carry its id. Fails where a row claims to be shown, wholly or partly, and
 * nothing carries its id, where a title names an id without a row, and where a row is malformed or stands twice.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

const root = join(import.meta.dirname, "..");
const states = ["open", "partly", "shown"];

interface Evidence {
  readonly id: string;
  readonly title: string;
  readonly place: string;
}

function readRows(): Map<string, string> {
  const rows = new Map<string, string>();
  for (const [place, line] of readFileSync(join(root, "docs/promises.md"), "utf8").split("\n").entries()) {
    if (!/^\| [A-Z]\d+ /.test(line)) continue;
    const [, id, state] = /^\| ([A-Z]\d+) \| .+ \| (\w+) \|$/.exec(line) ?? [];
    if (id === undefined || state === undefined || !states.includes(state)) {
      problems.push(`docs/promises.md:${place + 1}: not a row of id, promise and one of ${states.join(", ")}`);
    } else if (rows.has(id)) problems.push(`docs/promises.md:${place + 1}: ${id} stands twice`);
    else rows.set(id, state);
  }
  return rows;
}

/** Titles of tests anywhere, and of whatever a benchmark names: an id, a colon and words at the start of a string. */
function readEvidence(): Evidence[] {
  const found: Evidence[] = [];
  for (const folder of ["src", "test", "bench"]) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      const path = join(root, folder, entry);
      const benchmark = folder === "bench" && /\.ts$/.test(entry);
      if (entry.includes("node_modules") || !(benchmark || /\.test\.ts$/.test(entry))) continue;
      const text = readFileSync(path, "utf8");
      for (const match of text.matchAll(/["'`]((?:[A-Z]\d+, )*[A-Z]\d+): ([^"'`\n]+)/g)) {
        const line = text.slice(0, match.index).split("\n").length;
        for (const id of match[1].split(", ")) {
          found.push({ id, title: match[2], place: `${relative(root, path)}:${line}` });
        }
      }
    }
  }
  return found;
}

const problems: string[] = [];
const rows = readRows();
const evidence = readEvidence();
const lines: string[] = [];
for (const [id, state] of rows) {
  const carried = evidence.filter((one) => one.id === id);
  lines.push(`${id.padEnd(4)} ${state}${carried.length === 0 ? "" : `, ${carried.length} in the tests`}`);
  for (const { title, place } of carried) lines.push(`       ${title}  (${place})`);
  if (state !== "open" && carried.length === 0)
    problems.push(`${id} is marked ${state}, but no test or benchmark carries it`);
}
for (const { id, place } of evidence) if (!rows.has(id)) problems.push(`${place}: ${id} is no row of docs/promises.md`);

const count = (state: string): number => [...rows.values()].filter((one) => one === state).length;
lines.push("", `${rows.size} promises: ${states.map((state) => `${count(state)} ${state}`).join(", ")}`);
process.stdout.write(`${lines.join("\n")}\n`);
for (const problem of problems) process.stderr.write(`promises: ${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
