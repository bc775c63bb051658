/**
 * An S3 server for tests: s3rver, which checks signatures of version 4 and keeps objects in files, behind a door that
 * makes up for two things it lacks, and adds nothing else:
 *
 *   - It answers a read with half an object while that is written. Requests for one object go one after the other.
 *   - It ignores `If-None-Match: *` and overwrites, as older servers do. As "conditional", the door answers 412 where
 *     the object is there, as AWS does; as "plain" it does not.
 *
 *     node --openssl-legacy-provider s3-server-main.ts FOLDER BUCKET conditional|plain
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";

interface S3rver {
  callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  configureBuckets(): Promise<unknown>;
}

const [, , folder = "", bucket = "", kind = ""] = process.argv;
const Server = createRequire(import.meta.url)("@20minutes/s3rver") as new (options: object) => S3rver;
const server = new Server({
  silent: true,
  directory: folder,
  configureBuckets: [{ name: bucket }],
  vhostBuckets: false,
});
await server.configureBuckets();
const inner = server.callback();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const ended = new Promise<void>((resolve) => response.once("close", resolve));
  if (kind === "conditional" && request.method === "PUT" && request.headers["if-none-match"] === "*") {
    const found = await fetch(`${inside()}${request.url}`, { method: "HEAD" });
    if (found.status === 200) {
      request.resume();
      response.writeHead(412, { "content-type": "application/xml" });
      response.end("<Error><Code>PreconditionFailed</Code><Message>it is there</Message></Error>");
      return await ended;
    }
  }
  await inner(request, response);
  await ended;
}

/** The server without the door, for the door's own look. */
const plain = createServer((request, response) => void inner(request, response));
await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
const inside = (): string => `http://127.0.0.1:${(plain.address() as AddressInfo).port}`;

const last = new Map<string, Promise<void>>();
const door = createServer((request, response) => {
  const { method = "", url = "" } = request;
  response.once("finish", () => process.stdout.write(`${method} ${url} ${response.statusCode}\n`));
  const [path = ""] = url.split("?");
  const turn = (last.get(path) ?? Promise.resolve()).then(() => answer(request, response));
  last.set(
    path,
    turn.catch(() => undefined),
  );
});
door.listen(0, "127.0.0.1", () =>
  process.stdout.write(`listening http://127.0.0.1:${(door.address() as AddressInfo).port}\n`),
);
