/**
 * The rules of the house, kept by a test: which layer may lean on which, what may be called where, and the plain
 * tidiness that no compiler asks for. Every exception stands here with its reason.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
const layers = ["base", "disk", "policy", "resilience", "wal", "store", "tensor", "sandbox", "forge", "cluster"];
const order = [...layers, "service", "cli"];
const lineLimit = 120;
const fileLimitLines = 500;

const longFiles: Readonly<Record<string, string>> = {
  "src/tensor/codegen/kernel-emitter.ts": "one emitter; loop nests share its register bookkeeping",
};

/** Programs and modules that start by name instead of by import. */
const entries = ["src/index.ts", "src/cli/main.ts"];

interface Ban {
  readonly what: RegExp;
  readonly home: (path: string) => boolean;
  readonly why: string;
}

const bans: readonly Ban[] = [
  {
    what: /from "node:fs|import\("node:fs|from "fs/,
    // A cell writes its own oom_score_adj and a pool reads /proc: neither is a file of ours that could be lost.
    home: (path) =>
      path.startsWith("src/disk/") || ["src/sandbox/cell-main.ts", "src/sandbox/process-table.ts"].includes(path),
    why: "files are reached through src/disk",
  },
  {
    what: /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bsetTimeout\b|\bsetInterval\b/,
    home: (path) => path === "src/base/clock.ts",
    why: "time comes from src/base/clock.ts",
  },
  {
    what: /\bMath\.random\b/,
    home: (path) => path === "src/base/random.ts",
    why: "chance is injected, so that a run is a seed",
  },
  { what: /\bconsole\./, home: (path) => path.startsWith("src/cli/"), why: "only the command line talks" },
  {
    what: /\bnew Function\(|\beval\(/,
    home: (path) => path.startsWith("src/tensor/eager/"),
    why: "code made from text belongs to the reference interpreter alone",
  },
];

/** Tracked and about-to-be-tracked files; generated code is nobody's style. */
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path !== "" && !/(^|\/)gen\//.test(path));
const texts = new Map<string, string>();
for (const path of files) {
  if (!/\.(ts|mjs|js|json|md|yaml|proto|html|css|sh)$|^\.ci\/|^\.gitignore$|^LICENSE$/.test(path)) continue;
  try {
    texts.set(path, readFileSync(join(root, path), "utf8"));
  } catch {
    // Deleted in the working tree, not yet in the index.
  }
}
const code = [...texts].filter(([path]) => /\.(ts|mjs|js)$/.test(path));
const sources = code.filter(([path]) => path.startsWith("src/"));
const isTest = (path: string): boolean => /\.test\.ts$/.test(path) || path.includes("/testing/");
const shipped = sources.filter(([path]) => !isTest(path));

const string = String.raw`"(?:\\.|[^"\\\n])*"`;
const regularExpression = String.raw`(?<=[(=,:[!&|?{;]\s*|return )\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*`;
const comment = String.raw`\/\*[\s\S]*?\*\/|\/\/[^\n]*`;
const template = String.raw`${"`"}(?:\\[\s\S]|[^\\${"`"}])*${"`"}`;
const literals = new RegExp([string, regularExpression, comment, template].join("|"), "g");
const newlines = (part: string): string => part.replaceAll(/[^\n]/g, "");

/** Without comments and templates, line by line as before; strings stay, for they name what is imported. */
function bare(text: string): string {
  return text.replaceAll(literals, (part) => (/^(\/[*/]|`)/.test(part) ? newlines(part) : part));
}

/** What of a text could have been laid out otherwise: comments whole, code without its literals. */
function breakable(text: string): string {
  return text.replaceAll(literals, (part) => (/^\/[*/]/.test(part) ? part : newlines(part)));
}

function linesWith(pattern: RegExp, list: readonly (readonly [string, string])[]): string[] {
  return list.flatMap(([path, text]) =>
    text.split("\n").flatMap((line, place) => (pattern.test(line) ? [`${path}:${place + 1}: ${line.trim()}`] : [])),
  );
}

function linesOver(text: string): number[] {
  return text.split("\n").flatMap((line, place) => (line.trimEnd().length > lineLimit ? [place + 1] : []));
}

/** The files of this repository that a file names, by import or by URL. */
function named(path: string, text: string): string[] {
  const found: string[] = [];
  for (const [, target] of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) found.push(target);
  for (const [, target] of text.matchAll(/["'`](\.{1,2}\/[^"'`]*\.(?:ts|mjs))["'`]/g)) found.push(target);
  return found.map((target) => join(dirname(path), target));
}

/** Where a layer reaches into another otherwise than down and through its door. */
function layerFaults(path: string, text: string): string[] {
  const own = path.split("/")[1];
  return [...bare(text).matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].flatMap(([, target]) => {
    const to = join(dirname(path), target);
    if (to.startsWith("test/")) return isTest(path) ? [] : [`${path} imports ${to}`];
    const layer = to.split("/")[1];
    if (layer === own || path === "src/index.ts") return [];
    if (to !== `src/${layer}/index.ts`) return [`${path} imports ${to}, not ${layer}'s door`];
    return depthOf(layer) < depthOf(own) ? [] : [`${path} imports ${layer}, which is not below it`];
  });
}

/** Chaos stands beside the forge: it may use what the forge may, and neither uses the other. */
function depthOf(layer: string): number {
  return order.indexOf(layer === "chaos" ? "forge" : layer);
}

describe("the layers", () => {
  it("are the known ones", () => {
    const folders = new Set(sources.map(([path]) => path.split("/")[1]).filter((name) => !name.includes(".")));
    for (const folder of folders) expect([...order, "chaos"]).toContain(folder);
  });

  it("lean only on those below, through their doors", () => {
    expect(sources.flatMap(([path, text]) => layerFaults(path, text))).toEqual([]);
  });

  it("would be caught leaning upwards, past a door, or from shipped code on a test", () => {
    expect(layerFaults("src/wal/wal.ts", 'import { a } from "../forge/index.ts";')).toHaveLength(1);
    expect(layerFaults("src/chaos/a.ts", 'import { a } from "../forge/index.ts";')).toHaveLength(1);
    expect(layerFaults("src/forge/a.ts", 'import { a } from "../wal/frame.ts";')).toHaveLength(1);
    expect(layerFaults("src/forge/a.ts", 'import { a } from "../../test/support/a.ts";')).toHaveLength(1);
    expect(layerFaults("src/forge/a.ts", 'import { a } from "../wal/index.ts";')).toEqual([]);
  });

  it("leave the compiler pure", () => {
    const compiler = shipped.filter(([path]) => path.startsWith("src/tensor/"));
    const impure = /from "node:|import "node:|\bprocess\.|\bBuffer\.|\bglobalThis\.process|\bsetTimeout\b|\bfetch\(/;
    expect(
      linesWith(
        impure,
        compiler.map(([path, text]) => [path, bare(text)] as const),
      ),
    ).toEqual([]);
  });
});

describe("the code", () => {
  it("is read without its comments and templates, and nothing else is lost", () => {
    const text = 'a("//"); // b\n/* c\n d */ e(`f${g}`);\nh(/[`"/]/, i);';
    expect(bare(text)).toBe('a("//"); \n\n e();\nh(/[`"/]/, i);');
    expect(breakable(text)).toBe("a(); // b\n/* c\n d */ e();\nh(, i);");
  });

  it.each(bans)("keeps to this: $why", ({ what, home }) => {
    const outside = shipped.filter(([path]) => !home(path));
    expect(
      linesWith(
        what,
        outside.map(([path, text]) => [path, bare(text)] as const),
      ),
    ).toEqual([]);
  });

  it("has no any", () => {
    const any = /:\s*any\b|\bas any\b|<any\b|\bany[>[]/;
    const typed = code.filter(([path]) => path.endsWith(".ts"));
    expect(
      linesWith(
        any,
        typed.map(([path, text]) => [path, breakable(bare(text))] as const),
      ),
    ).toEqual([]);
  });

  it("has no file that nothing uses", () => {
    const isRoot = (path: string): boolean =>
      entries.includes(path) || /^src\/[a-z-]+\/index\.ts$/.test(path) || !path.startsWith("src/") || isTest(path);
    const byPath = new Map(code);
    const reached = new Set<string>();
    const waiting = code.map(([path]) => path).filter((path) => isRoot(path));
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      if (reached.has(path)) continue;
      reached.add(path);
      waiting.push(...named(path, byPath.get(path) ?? "").filter((target) => byPath.has(target)));
    }
    const ambient = (path: string): boolean => path.endsWith(".d.ts");
    expect(code.map(([path]) => path).filter((path) => !reached.has(path) && !ambient(path))).toEqual([]);
  });

  it(`has lines of at most ${lineLimit} columns, but for text that cannot be broken`, () => {
    const long = code.flatMap(([path, text]) => linesOver(breakable(text)).map((line) => `${path}:${line}`));
    expect(long).toEqual([]);
  });

  it(`has files of at most ${fileLimitLines} lines`, () => {
    const long = code.filter(([, text]) => text.split("\n").length > fileLimitLines).map(([path]) => path);
    expect(long.filter((path) => !Object.hasOwn(longFiles, path))).toEqual([]);
    expect(Object.keys(longFiles).filter((path) => !long.includes(path))).toEqual([]);
  });

  it("has no name that says nothing", () => {
    expect(files.filter((path) => /(^|[/-])(utils?|helpers?|manager|misc|common)\.[a-z]+$/.test(path))).toEqual([]);
  });

  it("has nothing left to do later", () => {
    const later = new RegExp(["FIX", "ME|TO", "DO|X", "XX"].join("").replaceAll("|", "\\b|\\b"));
    expect(
      linesWith(
        later,
        [...texts].filter(([path]) => path !== "package-lock.json"),
      ),
    ).toEqual([]);
  });
});

describe("the texts", () => {
  it("have one title each", () => {
    const pages = [...texts].filter(([path]) => path.endsWith(".md"));
    expect(pages.length).toBeGreaterThan(0);
    const titles = (text: string): number =>
      text
        .replaceAll(/^```[\s\S]*?^```/gm, "")
        .split("\n")
        .filter((line) => line.startsWith("# ")).length;
    expect(pages.filter(([, text]) => titles(text) !== 1).map(([path]) => path)).toEqual([]);
  });

  it("name no registry and no folder of a machine", () => {
    const host = new RegExp(["registry\\.", "npm", "js|npm", "mirror|/wo", "rk/"].join(""));
    expect(linesWith(host, [...texts])).toEqual([]);
    const lock = texts.get("package-lock.json") ?? "";
    expect(lock).toContain('"integrity"');
    expect(lock).not.toContain('"resolved"');
  });

  it("have links that lead somewhere", () => {
    const broken = [...texts]
      .filter(([path]) => path.endsWith(".md"))
      .flatMap(([path, text]) =>
        [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
          .map(([, target]) => join(dirname(path), target))
          .filter(
            (target) => !files.some((file) => file === target || file.startsWith(`${target.replace(/\/$/, "")}/`)),
          )
          .map((target) => `${path} -> ${target}`),
      );
    expect(broken).toEqual([]);
  });
});
