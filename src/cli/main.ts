#!/usr/bin/env node
/**
 * The command line. Each command is a file of its own; this one finds it and turns what it throws into an exit code.
 */
import { HoldfastError, nearestName, toHoldfastError } from "../base/index.ts";
import { usage } from "./arguments.ts";
import { compileCommand, compileHelp } from "./commands/compile.ts";
import { inspectCommand, inspectHelp } from "./commands/inspect.ts";
import { jobsCommand, jobsHelp } from "./commands/jobs.ts";
import { runCommand, runHelp } from "./commands/run.ts";
import { storeCommand, storeHelp } from "./commands/store.ts";
import { verifyCommand, verifyHelp } from "./commands/verify.ts";
import { walCommand, walHelp } from "./commands/wal.ts";
import { exitCodeOf, exitCodes } from "./exit-code.ts";
import { Terminal } from "./terminal.ts";
import { version } from "./version.ts";

interface Command {
  readonly summary: string;
  readonly help: string;
  run(args: readonly string[]): Promise<number>;
}

const commands: Readonly<Record<string, Command>> = {
  compile: { summary: "a model in, a standalone WebAssembly artifact out", help: compileHelp, run: compileCommand },
  run: { summary: "run an artifact on given or random input", help: runHelp, run: runCommand },
  inspect: { summary: "show a model's or an artifact's parts", help: inspectHelp, run: inspectCommand },
  verify: { summary: "check an artifact against its manifest and the reference", help: verifyHelp, run: verifyCommand },
  jobs: { summary: "list jobs, finish those that were cut off", help: jobsHelp, run: jobsCommand },
  store: { summary: "ask, check, back up, dump and compact a store", help: storeHelp, run: storeCommand },
  wal: { summary: "inspect, verify or repair a write-ahead log", help: walHelp, run: walCommand },
};

const overview = `holdfast ${version}: ONNX in, small standalone WebAssembly out, and no kill stops it.

${Object.entries(commands)
  .map(([name, { summary }]) => `  holdfast ${name.padEnd(8)} ${summary}`)
  .join("\n")}

  holdfast COMMAND --help shows a command's flags.
`;

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--version" || name === "-V") {
    process.stdout.write(`${version}\n`);
    return exitCodes.done;
  }
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(overview);
    return name === undefined ? exitCodes.usage : exitCodes.done;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    const near = nearestName(name, Object.keys(commands));
    const all = `the commands are ${Object.keys(commands).join(", ")}`;
    throw usage(`there is no command ${JSON.stringify(name)}`, near ? `did you mean ${near}? ${all}` : all);
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    process.stdout.write(command.help);
    return exitCodes.done;
  }
  return command.run(rest);
}

// Whoever reads has seen enough (`| head`): that is no failure, and there is nobody left to tell.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(exitCodes.done);
  throw error;
});

const args = process.argv.slice(2);
try {
  process.exitCode = await main(args);
} catch (thrown) {
  const error = toHoldfastError(thrown);
  const terminal = new Terminal({ json: args.includes("--json") });
  terminal.error(error);
  if (!HoldfastError.is(thrown)) process.stderr.write(`${thrown instanceof Error ? (thrown.stack ?? "") : ""}\n`);
  process.exitCode = error.code === "CLI_INTERRUPTED" ? exitCodes.interrupted : exitCodeOf(error);
}
