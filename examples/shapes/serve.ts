/**
 * Serves the example's page and the compiled model on this machine alone.
 *
 *     node examples/shapes/serve.ts [ARTIFACT_DIR] [--port N]
 *
 * What can be asked for is a table made at the start: the page's files, the drawing code and the artifact's files. A
 * path that is not in it does not exist, whatever it is spelled like.
 */
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { parseArgs } from "node:util";
import { findArtifact } from "./artifact.ts";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".weights": "application/octet-stream",
  ".json": "application/json",
};

/** The page needs nothing from elsewhere, and isolated it may measure time finely. */
const headers = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

interface Entry {
  readonly type: string;
  read(): Promise<Uint8Array | string>;
}

/** By path of the URL. */
export function entriesOf(artifact: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const folder of [artifact, join(import.meta.dirname, "page")]) {
    for (const file of readdirSync(folder, { withFileTypes: true })) {
      const type = types[extname(file.name)];
      if (!file.isFile() || type === undefined) continue;
      entries.set(`/${file.name}`, { type, read: () => readFile(join(folder, file.name)) });
    }
  }
  // The page draws with the code that the training drew with: the same file, its types taken off.
  const drawing = join(import.meta.dirname, "draw.ts");
  entries.set("/draw.js", {
    type: types[".js"],
    read: async () => withoutTypes(await readFile(drawing, "utf8")),
  });
  entries.set("/", entries.get("/index.html")!);
  return entries;
}

/** Node warns once that this is an experiment, which whoever looks at the example can do nothing about. */
function withoutTypes(source: string): string {
  const { emitWarning } = process;
  const others = (...all: Parameters<typeof emitWarning>): void => {
    if (!String(all[0]).startsWith("stripTypeScriptTypes ")) emitWarning(...all);
  };
  process.emitWarning = others as typeof emitWarning;
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Listens on the loopback address; port 0 takes any that is free. */
export async function serve(artifact: string, port = 0): Promise<{ server: Server; url: string }> {
  const entries = entriesOf(artifact);
  const server = createServer(async ({ method, url }, response) => {
    const entry = entries.get((url ?? "").split("?")[0]);
    const end = (status: number, type: string, body: Uint8Array | string): void => {
      response.writeHead(status, { ...headers, "content-type": type, "content-length": Buffer.byteLength(body) });
      response.end(method === "HEAD" ? undefined : body);
    };
    if (method !== "GET" && method !== "HEAD") return end(405, "text/plain", "only GET and HEAD are answered here\n");
    if (entry === undefined) return end(404, "text/plain", "there is no such file here\n");
    try {
      end(200, entry.type, await entry.read());
    } catch {
      end(500, "text/plain", "this file was here when the server started and cannot be read now\n");
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: { port: { type: "string" } }, allowPositionals: true });
  const port = Number(values.port ?? 0);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    process.stderr.write(`--port takes a number from 0 to 65535, not ${values.port}\n`);
    return 2;
  }
  const artifact = findArtifact(positionals[0]);
  if (artifact === undefined) return 2;
  try {
    const { url } = await serve(artifact, port);
    process.stdout.write(`Draw at ${url}\n`);
    process.stderr.write("Ctrl-C ends it.\n");
    return 0;
  } catch (error) {
    process.stderr.write(`cannot listen on port ${port}: ${(error as Error).message}\nTry another --port, or none.\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main();
