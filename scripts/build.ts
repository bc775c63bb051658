/** Builds dist/: compiled modules with declarations, and the text of each folder's door checked to be there. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
rmSync(join(root, "dist"), { recursive: true, force: true });
execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
const manifest = (await import("../package.json", { with: { type: "json" } })).default;
for (const [subpath, target] of Object.entries(manifest.exports)) {
  for (const file of typeof target === "string" ? [target] : Object.values(target)) {
    if (!existsSync(join(root, file))) throw new Error(`exports["${subpath}"] names ${file}, which was not built`);
  }
}
chmodSync(join(root, manifest.bin.holdfast), 0o755);
