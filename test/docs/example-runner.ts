/**
 * Runs the TypeScript examples of a documentation page, so that a page cannot say what is no longer so.
 *
 * Every block fenced as `ts` is a program of its own, run by Node as a child process with `holdfast/...` meaning these
 * sources; a fence with anything more after `ts` is not run. A line that ends in `// → value` holds one statement, and
 * its value is compared with that expression: of a declaration with `const` the constant's, else the statement's own.
 * `// → throws CODE` awaits an error with that code. An arrow that is never reached fails too.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const root = join(import.meta.dirname, "../..");
const checks = pathToFileURL(join(import.meta.dirname, "example-checks.ts")).href;
const limitMs = 20_000;
/** What the package exports, from which the sources follow. */
const exported = (
  JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { exports: Record<string, { default?: string }> }
).exports;

export interface Example {
  readonly page: string;
  /** Of its first line of code, from 1. */
  readonly line: number;
  readonly code: string;
}

/** The examples of a page, whose path is relative to the repository. */
export function examplesOf(page: string): Example[] {
  return examplesIn(readFileSync(join(root, page), "utf8"), page);
}

export function examplesIn(markdown: string, page: string): Example[] {
  return [...markdown.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(({ 1: code, index }) => ({
    page,
    line: markdown.slice(0, index).split("\n").length + 1,
    code: code!,
  }));
}

/** Undefined where all is as the page says, else what is not, with the page's lines. */
export async function faultOfExample(example: Example): Promise<string | undefined> {
  const { output, failed } = await runModule(programOf(example));
  if (failed) return `${example.page}:${example.line}: ${output}`;
  const reached = new Set(/^reached:(.*)$/m.exec(output)?.[1]?.split(",").map(Number));
  const missed = arrowLines(example).filter((line) => !reached.has(line));
  return missed.length === 0 ? undefined : `${example.page}:${missed.join()}: never reached`;
}

const arrow = /^(?<code>\s*(?:const (?<name>\w+)(?::[^=]+)? = )?.*?);?\s*\/\/ → (?<expected>.+)$/;

function arrowLines({ code, line }: Example): number[] {
  return code.split("\n").flatMap((text, place) => (arrow.test(text) ? [line + place] : []));
}

/** As many lines as the example has, so that what fails is found by its line. */
function programOf({ page, line, code }: Example): string {
  const lines = code.split("\n").map((text, place) => {
    const { code, name, expected } = arrow.exec(text)?.groups ?? {};
    if (code === undefined || expected === undefined) return sourceImport(text);
    const where = JSON.stringify([page, line + place]);
    const thrown = /^throws ([A-Z_]+)$/.exec(expected)?.[1];
    if (thrown !== undefined)
      return `await expectThrown(${where}, async () => { await (${name === undefined ? code : `async () => { ${code}; }`}); }, "${thrown}");`;
    if (name !== undefined) return `${code}; expectEqual(${where}, ${name}, (${expected}));`;
    return `expectEqual(${where}, await (${code}), (${expected}));`;
  });
  return `import { expectEqual, expectThrown } from "${checks}"; ${lines.join("\n")}`;
}

function sourceImport(text: string): string {
  return text.replace(/(from|import) "holdfast(\/[a-z0-9/-]+)?"/, (_, keyword: string, part = "") => {
    const built = exported[`.${part}`]?.default;
    if (built === undefined) throw new Error(`holdfast${part} is not exported`);
    const source = built.replace("./dist/", "src/").replace(/\.js$/, ".ts");
    return `${keyword} "${pathToFileURL(join(root, source)).href}"`;
  });
}

function runModule(program: string): Promise<{ output: string; failed: boolean }> {
  return new Promise((resolve) => {
    const flags = ["--input-type=module-typescript", "--disable-warning=ExperimentalWarning", "-"];
    const child = execFile(process.execPath, flags, { cwd: root, timeout: limitMs }, (error, stdout, stderr) =>
      resolve({ output: error === null ? stdout : `${stdout}${stderr}${error.signal ?? ""}`, failed: error !== null }),
    );
    child.stdin!.end(program);
  });
}
