import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

/** The files that a fresh process loads for this module. */
function loadedBy(module: string): string[] {
  const program = `
    import { registerHooks } from "node:module";
    const seen = [];
    registerHooks({ load(url, context, next) { seen.push(url); return next(url, context); } });
    await import(${JSON.stringify(join(import.meta.dirname, module))});
    process.stdout.write(JSON.stringify(seen));`;
  return JSON.parse(execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" }));
}

it("R11: what a program does not ask for is not loaded: no S3, no Redis, no conformance cases", () => {
  const loaded = loadedBy("index.ts");
  expect(loaded.some((url) => url.endsWith("/checkpoint/local.ts"))).toBe(true);
  expect(loaded.filter((url) => /s3|redis|conformance|aws4fetch/.test(url))).toEqual([]);
  expect(loadedBy("s3.ts").some((url) => url.includes("aws4fetch"))).toBe(true);
  expect(loadedBy("redis.ts").filter((url) => url.includes("node_modules"))).toEqual([]);
});
