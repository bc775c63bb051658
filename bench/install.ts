/** What Holdfast is compared with, installed once into a package of its own, so that Holdfast does not depend on it. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const folderOf = (name: string): string => join(import.meta.dirname, "node_modules", name);

/** Installs all peers where one of these is missing. */
export function installPeers(names: readonly string[]): void {
  if (names.every((name) => existsSync(folderOf(name)))) return;
  // Standard error, for the other may be a table that a program reads.
  process.stderr.write("Installing what Holdfast is compared with (once) ...\n");
  const arguments_ = ["ci", "--ignore-scripts", "--prefix", import.meta.dirname];
  const { status } = spawnSync("npm", arguments_, { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error(`npm ci in ${import.meta.dirname} failed`);
}

/** Its types cannot be imported where it is not installed; who loads it says what it uses of it. */
export function packageNamed(name: string): unknown {
  return createRequire(import.meta.url)(name);
}

export function versionOf(name: string): string {
  const { version } = JSON.parse(readFileSync(join(folderOf(name), "package.json"), "utf8")) as { version: string };
  return version;
}
