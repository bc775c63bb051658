/** holdfast store: ask a store, check it, care for it, move it (S11). */
import { nearestName } from "../../base/index.ts";
import { parseFlags, usage } from "../arguments.ts";
import { Terminal } from "../terminal.ts";
import { acceptLoss, backup, compact, consolidate, loadFrom, restore, verify } from "./store-care.ts";
import { dumpTo, get, scan, search, stats } from "./store-read.ts";

export const storeHelp = `holdfast store VERB FOLDER …

Reading, which changes nothing:
  stats FOLDER                    levels, segments, contents, log, and what was lost
  get FOLDER COLLECTION ID        the content of an item; with --json the whole item
  scan FOLDER COLLECTION          items in the order of their ids (--from, --to, --prefix, --limit, --reverse)
  search FOLDER COLLECTION        the nearest items (--vector '[0.1, …]' or @FILE.json, --k, --filter RULE)
  dump FOLDER                     everything as lines of JSON, for load
  verify FOLDER                   every byte of it, and what to do about what is damaged

Care:
  compact FOLDER                  merges all segments, frees contents that nobody needs
  consolidate FOLDER              strengthens what was used, makes prototypes, forgets (--dry-run says what it would do)
  accept-loss FOLDER              older versions of what was lost count again (--yes)

Moving:
  backup FOLDER TARGET            copies the store; into the same target again only what is new
  restore BACKUP FOLDER           makes a store of a backup
  load FOLDER [FILE]              takes a dump from FILE or standard input (--merge, --edited)

  --skip-lost   scan, dump: pass over what was lost
  --salvage     open a store whose log is damaged with what can be read of it
  --json        one JSON object, or one a line

Exit codes: 0 done, 1 failed or damaged, 2 usage or no such collection, 4 no such store or item, 5 open elsewhere.

  holdfast store verify ./memory
  holdfast store dump ./memory | holdfast store load ./copy
`;

export interface StoreFlags {
  readonly json: boolean;
  readonly yes: boolean;
  readonly merge: boolean;
  readonly edited: boolean;
  readonly reverse: boolean;
  readonly salvage: boolean;
  readonly "skip-lost": boolean;
  readonly "dry-run": boolean;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly prefix?: string | undefined;
  readonly limit?: string | undefined;
  readonly vector?: string | undefined;
  readonly k?: string | undefined;
  readonly filter?: string | undefined;
}

export interface StoreCall {
  readonly terminal: Terminal;
  readonly flags: StoreFlags;
  readonly folder: string;
  /** What follows the folder. */
  readonly rest: readonly string[];
}

interface Verb {
  readonly run: (call: StoreCall) => Promise<number>;
  /** Names of what follows the folder; in brackets what may be left out. */
  readonly takes: readonly string[];
  /** Flags beside --json. */
  readonly flags: readonly (keyof StoreFlags)[];
}

const verbs: Readonly<Record<string, Verb>> = {
  stats: { run: stats, takes: [], flags: ["salvage"] },
  get: { run: get, takes: ["COLLECTION", "ID"], flags: ["salvage"] },
  scan: {
    run: scan,
    takes: ["COLLECTION"],
    flags: ["salvage", "skip-lost", "from", "to", "prefix", "limit", "reverse"],
  },
  search: { run: search, takes: ["COLLECTION"], flags: ["salvage", "vector", "k", "filter"] },
  dump: { run: dumpTo, takes: [], flags: ["salvage", "skip-lost"] },
  verify: { run: verify, takes: [], flags: [] },
  compact: { run: compact, takes: [], flags: ["salvage"] },
  consolidate: { run: consolidate, takes: [], flags: ["salvage", "dry-run"] },
  "accept-loss": { run: acceptLoss, takes: [], flags: ["salvage", "yes"] },
  backup: { run: backup, takes: ["TARGET"], flags: ["salvage"] },
  restore: { run: restore, takes: ["FOLDER"], flags: [] },
  load: { run: loadFrom, takes: ["[FILE]"], flags: ["merge", "edited"] },
};

export async function storeCommand(args: readonly string[]): Promise<number> {
  const flag = { type: "boolean", default: false } as const;
  const text = { type: "string" } as const;
  const { values: flags, positionals } = parseFlags("store", args, {
    ...{ json: flag, yes: flag, merge: flag, edited: flag, reverse: flag, salvage: flag },
    ...{ "skip-lost": flag, "dry-run": flag },
    ...{ from: text, to: text, prefix: text, limit: text, vector: text, k: text, filter: text },
  });
  const [name = "", folder, ...rest] = positionals;
  const verb = verbOf(name);
  const { takes } = verb;
  const call = `holdfast store ${name} ${name === "restore" ? "BACKUP" : "FOLDER"}${takes.map((one) => ` ${one}`).join("")}`;
  if (folder === undefined) throw usage(`store ${name} needs the folder of a store`, call);
  const needed = takes.filter((one) => !one.startsWith("[")).length;
  if (rest.length < needed) throw usage(`store ${name} needs ${takes.slice(rest.length).join(" and ")}`, call);
  if (rest.length > takes.length) throw usage(`store ${name} does not take ${JSON.stringify(rest.at(-1))}`, call);
  for (const [given, value] of Object.entries(flags))
    if (given !== "json" && value !== false && value !== undefined && !verb.flags.some((one) => one === given))
      throw usage(`store ${name} has no --${given}`, "holdfast store --help lists the flags of each verb");
  return await verb.run({ terminal: new Terminal({ json: flags.json }), flags, folder, rest });
}

function verbOf(name: string): Verb {
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (verb !== undefined) return verb;
  const near = nearestName(name, Object.keys(verbs));
  const all = `store knows ${Object.keys(verbs).join(", ")}`;
  throw usage(`store does not know ${JSON.stringify(name)}`, near === undefined ? all : `did you mean ${near}? ${all}`);
}
