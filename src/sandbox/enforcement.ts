/**
 * What this platform can hold a cell to.
 *
 * Linux has small programs that change one thing about a process and then become the next program, under the same pid:
 * `unshare` takes the network away, `setpriv` ties its life to its parent's, `prlimit` sets limits. Each is tried once,
 * in the way it will be used; what does not work here is left out and listed by `enforcement()`, so that nobody
 * believes in it. The sum stops accidents. It does not stop an attacker.
 */

import { execFile } from "node:child_process";
import { processMemory } from "./process-table.ts";

export type Measure =
  | "heap"
  | "data"
  | "resident-size"
  | "cpu-time"
  | "network"
  | "files"
  | "child-processes"
  | "core-dumps"
  | "death-with-parent"
  | "oom-preference"
  | "signals"
  | "fault-address";

export interface Enforcement {
  readonly measure: Measure;
  readonly enforced: boolean;
  /** How, or why not and what would mend it. */
  readonly means: string;
}

/** Measures that a pool may do without, each of which some handler cannot work under. */
export type WaivableMeasure = "network" | "files" | "data";

export interface Platform {
  /** Arguments of the program that takes the network away; undefined where none works. */
  readonly unshare: readonly string[] | undefined;
  readonly setpriv: boolean;
  readonly prlimit: boolean;
  readonly procfs: boolean;
}

let probed: Promise<Platform> | undefined;

/** Probes once a process. */
export function probePlatform(): Promise<Platform> {
  probed ??= probe();
  return probed;
}

const userNamespace = ["--user", "--map-current-user", "--net"];
const deathSignal = ["--pdeathsig", "KILL", "--no-new-privs"];

async function probe(): Promise<Platform> {
  const [inUserNamespace, setpriv, prlimit] = await Promise.all([
    works("unshare", [...userNamespace, "--", "true"]),
    works("setpriv", [...deathSignal, "--", "true"]),
    works("prlimit", ["--core=0", "--", "true"]),
  ]);
  const asRoot = inUserNamespace ? false : await works("unshare", ["--net", "--", "true"]);
  const unshare = inUserNamespace ? userNamespace : asRoot ? ["--net"] : undefined;
  return { unshare, setpriv, prlimit, procfs: processMemory(process.pid) !== undefined };
}

/** Whether the program ends well, found and run with the empty environment that a cell has. */
function works(program: string, args: readonly string[]): Promise<boolean> {
  if (process.platform !== "linux") return Promise.resolve(false);
  return new Promise((resolve) => {
    execFile(program, [...args], { env: {}, timeout: 5_000 }, (failure) => resolve(failure === null));
  });
}

export interface Confinement {
  readonly platform: Platform;
  readonly waived: ReadonlySet<WaivableMeasure>;
  readonly memoryLimitBytes: number;
  /** Processor time of a cell's whole life, in case the parent's watchdog is itself held up. */
  readonly cpuLifetimeSeconds: number | undefined;
  readonly readableFolders: readonly string[];
}

/** The command that starts Node, confined, as the process that is spawned. */
export function confinedCommand(confinement: Confinement, nodeArguments: readonly string[]): string[] {
  const { platform, waived } = confinement;
  const command: string[] = [];
  if (platform.unshare !== undefined && !waived.has("network")) command.push("unshare", ...platform.unshare, "--");
  // After unshare: a change of credentials would undo the death signal.
  if (platform.setpriv) command.push("setpriv", ...deathSignal, "--");
  if (platform.prlimit) {
    const cpu = confinement.cpuLifetimeSeconds;
    command.push("prlimit", "--core=0", ...(cpu === undefined ? [] : [`--cpu=${cpu}:${cpu + 5}`]), "--");
  }
  return [...command, process.execPath, ...nodeFlags(confinement), ...nodeArguments];
}

function nodeFlags({ memoryLimitBytes, readableFolders, waived }: Confinement): string[] {
  const flags = [
    `--max-old-space-size=${Math.max(16, Math.floor(memoryLimitBytes / 2 ** 20))}`,
    "--no-addons",
    "--disable-warning=ExperimentalWarning",
  ];
  if (waived.has("files")) return flags;
  const readable = readableFolders.map((folder) => `--allow-fs-read=${folder}`);
  return [...flags, "--permission", ...readable, "--allow-fs-write=/proc/self/oom_score_adj"];
}

/**
 * Lowers the limit on private memory of a running process. Best effort: a process that has just died is no failure.
 * Only the soft limit, since without privileges the hard one could never be raised again.
 */
export function limitData(platform: Platform, pid: number, limitBytes: number): Promise<boolean> {
  if (!platform.prlimit) return Promise.resolve(false);
  return new Promise((resolve) => {
    execFile("prlimit", ["--pid", String(pid), `--data=${limitBytes}:`], { env: {}, timeout: 5_000 }, (failure) =>
      resolve(failure === null),
    );
  });
}

/** The list for people: every measure, enforced or not, and by what. */
export function describeEnforcement(confinement: Confinement, cpuLimitMs: number | undefined): Enforcement[] {
  const { platform, waived, memoryLimitBytes } = confinement;
  const mebibytes = Math.floor(memoryLimitBytes / 2 ** 20);
  const list: Enforcement[] = [];
  const add = (measure: Measure, enforced: boolean, how: string, whyNot: string): void => {
    const given = waived.has(measure as WaivableMeasure) ? "waived by the pool's options" : whyNot;
    list.push({ measure, enforced, means: enforced ? how : given });
  };
  const files = !waived.has("files");
  add("heap", true, `V8 heap limit of ${Math.max(16, mebibytes)} MiB`, "");
  add(
    "data",
    platform.prlimit && platform.procfs && !waived.has("data"),
    `RLIMIT_DATA: what an idle cell has, ${mebibytes} MiB, and an allowance of ${engineAllowanceBytes / 2 ** 20} MiB for the engine`,
    "prlimit (util-linux) does not work here: buffers are bounded by the watchdog alone",
  );
  add("resident-size", platform.procfs, "watched every 100 ms", "no procfs: resident memory is not watched");
  add(
    "cpu-time",
    cpuLimitMs !== undefined && platform.procfs,
    `${cpuLimitMs} ms a job, watched every 100 ms${platform.prlimit ? ", and RLIMIT_CPU for the cell's life" : ""}`,
    cpuLimitMs === undefined ? "no cpuLimitMs was given: only the deadline bounds it" : "no procfs",
  );
  add(
    "network",
    platform.unshare !== undefined && !waived.has("network"),
    "a network namespace of its own, without interfaces",
    "unshare (util-linux) or namespaces are not available: a cell can open sockets",
  );
  add("files", files, "Node's permission model: source folders, read only", "");
  add("child-processes", files, "Node's permission model, unless execArgv allows them", "waived along with files");
  add("core-dumps", platform.prlimit, "RLIMIT_CORE is 0", "prlimit (util-linux) does not work here");
  add(
    "death-with-parent",
    platform.setpriv,
    "the kernel kills a cell whose parent dies",
    "setpriv (util-linux) does not work here: a cell in an endless loop outlives a killed parent",
  );
  add("oom-preference", platform.procfs, "a cell raises its oom_score_adj to 500", "no procfs");
  add("signals", false, "", "a cell runs as the same user and can signal that user's processes");
  add("fault-address", false, "", "the kernel tells it to the dying process and to core dumps, not to the parent");
  return list;
}

/** What V8 takes beyond the heap and the buffers of a job: young generation, code, compiler zones. */
export const engineAllowanceBytes = 64 * 2 ** 20;
