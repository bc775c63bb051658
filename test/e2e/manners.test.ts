/** How the command line behaves with people and with scripts: help, mistyped words, colour, and what goes where. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { exampleModel, holdfast, newFolder, removeFolder } from "./command-line.ts";

const commands = ["compile", "run", "inspect", "verify", "jobs"];
const folder = newFolder();
afterAll(() => removeFolder(folder));

const colour = "\u001b[";

describe("the command line", () => {
  it("says its version, which is the package's", async () => {
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"));
    expect(await holdfast(["--version"])).toMatchObject({ exitCode: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("lists its commands when asked, and as a mistake when given nothing", async () => {
    const [asked, nothing] = await Promise.all([holdfast(["--help"]), holdfast([])]);
    expect(asked).toMatchObject({ exitCode: 0, stderr: "" });
    for (const command of commands) expect(asked.stdout).toMatch(new RegExp(`^ +holdfast ${command} +\\w`, "m"));
    expect(nothing).toMatchObject({ exitCode: 2, stdout: asked.stdout });
  });

  it.each(commands)("explains %s, with every flag it takes and none that it does not", async (command) => {
    const [long, short] = await Promise.all([holdfast([command, "--help"]), holdfast([command, "-h"])]);
    expect(long).toMatchObject({ exitCode: 0, stderr: "" });
    expect(short.stdout).toBe(long.stdout);
    expect(long.stdout).toMatch(new RegExp(`^holdfast ${command}\\b`));
    const source = readFileSync(join(import.meta.dirname, `../../src/cli/commands/${command}.ts`), "utf8");
    const taken = [...source.matchAll(/^ {4}"?([a-z][a-z-]*)"?: \{ type: "(?:string|boolean)"/gm)].map(
      ([, flag]) => flag!,
    );
    expect(taken).toContain("json");
    const explained = [...long.stdout.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, flag]) => flag!);
    expect(explained.toSorted()).toEqual(taken.toSorted());
  });

  it.each([
    { typed: ["compil"], meant: "did you mean compile?" },
    { typed: ["isnpect"], meant: "did you mean inspect?" },
    { typed: ["compile", "--ouT", "x"], meant: "did you mean --out?" },
    { typed: ["compile", "--strict-compile"], meant: "did you mean --strict-compiled?" },
    { typed: ["run", "--repet=3"], meant: "did you mean --repeat?" },
    { typed: ["jobs", "--sate", "x"], meant: "did you mean --state?" },
    { typed: ["frobnicate"], meant: "compile, run, inspect, verify, jobs" },
    { typed: ["compile", "--frobnicate"], meant: "compile --help lists the flags" },
  ])("takes $typed for a mistake: $meant", async ({ typed, meant }) => {
    const run = await holdfast(typed);
    expect(run).toMatchObject({ exitCode: 2, stdout: "" });
    expect(run.stderr).toContain("CLI_USAGE");
    expect(run.stderr).toContain(meant);
  });

  it("gives data to stdout and all else to stderr, uncoloured where no terminal is", async () => {
    const [out, state] = [join(folder, "shapes"), join(folder, "state")];
    const compiled = await holdfast(["compile", exampleModel, "--out", out, "--state", state]);
    expect(compiled.exitCode).toBe(0);
    for (const line of compiled.stdout.trimEnd().split("\n")) expect(line).toMatch(/^\S+\/shapes\.\S+ +[\d.]+ [KM]?B$/);
    expect(compiled.stderr).toContain("Use it:");
    const run = await holdfast(["run", out]);
    expect(run.stdout).toMatch(/^probabilities {2}float32 \[.*\] {2}\S+/);
    expect(run.stdout.trimEnd().split("\n")).toHaveLength(1);
    expect(run.stderr).toContain("first run");
    expect(`${compiled.stdout}${compiled.stderr}${run.stdout}${run.stderr}`).not.toContain(colour);
  });

  // script(1) gives it a terminal.
  const terminal = spawnSync("script", ["--version"]).status === 0;
  it.skipIf(!terminal)("has colour on a terminal, and none under NO_COLOR", () => {
    const typed = `'${process.execPath}' '${join(import.meta.dirname, "../../src/cli/main.ts")}' frobnicate`;
    const shown = (environment: Record<string, string>): string =>
      spawnSync("script", ["-qec", typed, "/dev/null"], {
        encoding: "utf8",
        env: { PATH: process.env.PATH, TERM: "xterm-256color", ...environment },
      }).stdout;
    const plain = shown({ NO_COLOR: "1" });
    expect(plain).toContain("error[CLI_USAGE]: there is no command");
    expect(plain).not.toContain(colour);
    expect(shown({})).toContain(colour);
  });

  it("is silent with --quiet, and with --json says one object and nothing else", async () => {
    const [out, state] = [join(folder, "again"), join(folder, "state-again")];
    const quiet = await holdfast(["compile", exampleModel, "--out", out, "--state", state, "--quiet"]);
    expect(quiet).toMatchObject({ exitCode: 0, stderr: "" });
    for (const args of [
      ["inspect", out],
      ["inspect", exampleModel],
      ["verify", out],
      ["run", out],
      ["jobs", "--state", state],
    ]) {
      const { exitCode, stdout, stderr } = await holdfast([...args, "--json"]);
      expect({ args, exitCode, stderr }).toEqual({ args, exitCode: 0, stderr: "" });
      expect(stdout.trimEnd().split("\n")).toHaveLength(1);
      expect(typeof JSON.parse(stdout)).toBe("object");
    }
  });
});
