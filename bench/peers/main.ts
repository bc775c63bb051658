/**
 * The faults of the libraries that Holdfast's resilience core is an alternative to, each brought about anew with the
 * installed version of that library, beside what Holdfast does in the same situation.
 *
 *     node bench/peers/main.ts [--json] [--only ITEM OR PART OF AN ID]
 *
 * Every half of a case runs in a process of its own, with a deadline. "no" is a result as good as "yes": a fault that
 * has been mended. The exit code is 1 where a case could not be decided, or where Holdfast did not hold.
 */
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/base/index.ts";
import { installPeers, versionOf } from "../install.ts";
import { ControlFailure, type PeerCase, peerNames } from "./case.ts";
import { callCases } from "./cockatiel-calls.ts";
import { snapshotCases } from "./cockatiel-snapshot.ts";
import { stateCases } from "./cockatiel-state.ts";
import { holdfastAnswers } from "./holdfast.ts";
import { mollitiaCases } from "./mollitia.ts";
import { opossumCallCases } from "./opossum-calls.ts";
import { opossumStateCases } from "./opossum-state.ts";
import { type HalfResult, jsonReport, type Shown, textReport, type Versions } from "./report.ts";

const deadlineMs = 20_000;
const atOnce = 2;

const cases: readonly PeerCase[] = [
  ...stateCases,
  ...snapshotCases,
  ...callCases,
  ...opossumStateCases,
  ...opossumCallCases,
  ...mollitiaCases,
].toSorted((a, b) => a.item - b.item);

const { values: flags } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    /** In a child: the case, and whose half of it. */
    case: { type: "string" },
    half: { type: "string", default: "peer" },
  },
});

/** The child's whole life: one half of one case, one line, and no waiting for timers that were left behind. */
async function runHalf(id: string, half: string): Promise<void> {
  const result = await halfOf(id, half).catch(
    (error: unknown): HalfResult => ({
      decided: false,
      observed: error instanceof ControlFailure ? error.message : String((error as Error).stack ?? error),
    }),
  );
  process.stdout.write(JSON.stringify(result), () => process.exit(0));
}

async function halfOf(id: string, half: string): Promise<HalfResult> {
  if (half === "holdfast") {
    const { holds, observed } = await holdfastAnswers[id]!();
    return { decided: true, yes: holds, observed };
  }
  const { reproduced, observed } = await cases.find((one) => one.id === id)!.reproduce();
  return { decided: true, yes: reproduced, observed };
}

function inChild(id: string, half: string): Promise<HalfResult> {
  const child = spawn(process.execPath, [import.meta.filename, "--case", id, "--half", half], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [text, errors, hung] = ["", "", false];
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    errors += part;
  });
  const callOff = systemClock.schedule(deadlineMs, () => {
    hung = true;
    child.kill("SIGKILL");
  });
  return new Promise((resolve) =>
    child.once("close", () => {
      callOff();
      if (hung) return resolve({ decided: false, observed: `hung for ${deadlineMs / 1_000} s and was ended` });
      if (text === "") return resolve({ decided: false, observed: `said nothing: ${errors.trim()}` });
      resolve(JSON.parse(text) as HalfResult);
    }),
  );
}

async function show(one: PeerCase): Promise<Shown> {
  const peer = await inChild(one.id, "peer");
  if (!Object.hasOwn(holdfastAnswers, one.id)) return { case: one, peer };
  return { case: one, peer, holdfast: await inChild(one.id, "holdfast") };
}

async function main(): Promise<void> {
  installPeers(peerNames);
  const { only } = flags;
  const chosen = cases.filter(({ id, item }) => (/^\d+$/.test(only) ? item === Number(only) : id.includes(only)));
  if (chosen.length === 0) throw new Error(`no case is number ${only} or has ${JSON.stringify(only)} in its id`);
  const shown: Shown[] = [];
  const waiting = chosen.entries();
  const work = async (): Promise<void> => {
    for (const [place, one] of waiting) shown[place] = await show(one);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const versions = Object.fromEntries(peerNames.map((name) => [name, versionOf(name)])) as Versions;
  const report = flags.json ? jsonReport(shown, versions) : textReport(shown, versions);
  process.stdout.write(`${report}\n`);
  const bad = ({ peer, holdfast }: Shown): boolean =>
    !peer.decided || (holdfast !== undefined && !(holdfast.decided && holdfast.yes));
  if (shown.some(bad)) process.exitCode = 1;
}

if (flags.case === undefined) await main();
else await runHalf(flags.case, flags.half);
