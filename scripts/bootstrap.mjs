// Does all set-up for `npm start`, `npm test` and whatever else is to work on a fresh clone, then hands over to the
// pinned Node. Plain JavaScript for any Node that can run npm: nothing is installed yet when this begins.
//
//     node scripts/bootstrap.mjs install | start [MODEL] [FLAGS] | test [VITEST ARGUMENTS]
//     node scripts/bootstrap.mjs run FILE [ARGUMENTS] | holdfast COMMAND [ARGUMENTS]
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const binaries = join(root, "node_modules", ".bin");
const stamp = join(root, "node_modules", ".holdfast-install");

install();
const [mode, ...rest] = process.argv.slice(2);
if (mode === "start") start(rest);
else if (mode === "test") hand([join(binaries, "vitest"), "run", ...rest], root);
else if (mode === "run") hand(rest, root);
else if (mode === "holdfast")
  hand([join(root, "src", "cli", "main.ts"), ...rest], process.env.INIT_CWD ?? process.cwd());
else if (mode !== "install") fail(`bootstrap does not know ${JSON.stringify(mode)}`);

/** Installs what the lock file names, if that has not been done for this very lock file. */
function install() {
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  process.stderr.write("installing (npm ci) …\n");
  const done = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (done.status !== 0) fail("npm ci failed; its messages are above");
  writeFileSync(stamp, wanted);
}

/** Compiles the bundled example, or the model named, into out/NAME. */
function start(args) {
  const first = args[0]?.startsWith("-") === false ? 0 : args.findIndex((one) => one.endsWith(".onnx"));
  const callerFolder = process.env.INIT_CWD ?? process.cwd();
  const model = first === -1 ? join(root, "examples", "shapes", "shapes.onnx") : resolve(callerFolder, args[first]);
  const others = args.filter((_, place) => place !== first);
  const name = basename(model, extname(model));
  const out = others.some((one) => /^--out(=|$)/.test(one)) ? [] : ["--out", join("out", name)];
  hand([join(root, "src", "cli", "main.ts"), "compile", model, ...out, ...others], callerFolder);
}

/** Runs the pinned Node in place of this one: its output, its exit code, its end. */
function hand(args, cwd) {
  const node = join(binaries, process.platform === "win32" ? "node.cmd" : "node");
  const environment = {
    ...process.env,
    PATH: `${binaries}${process.platform === "win32" ? ";" : ":"}${process.env.PATH}`,
  };
  const child = spawn(node, args, { cwd, env: environment, stdio: "inherit", shell: process.platform === "win32" });
  // Ctrl-C at a terminal reaches the child without us; passed on, it would count as pressed twice.
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(`cannot start ${node}: ${error.message}`));
  child.on("exit", (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code));
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
