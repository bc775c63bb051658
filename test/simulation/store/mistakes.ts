/** What a caller gets wrong: each is refused by the code that says so, and nothing is changed. */

import { isTyped } from "./allowed.ts";
import { type Session, Violation } from "./session.ts";

interface Mistake {
  readonly code: RegExp;
  readonly make: (session: Session, collection: string) => Promise<unknown>;
}

const mistakes: readonly Mistake[] = [
  { code: /^STORE_ID$/, make: (session, name) => session.collection(name).put("", { content: "x" }) },
  { code: /^STORE_ID$/, make: (session, name) => session.collection(name).get("a\0b") },
  { code: /^STORE_ID$/, make: (session, name) => session.collection(name).delete("a".repeat(1_025)) },
  { code: /^STORE_ID$/, make: (session, name) => session.collection(name).put("\ud800", {}) },
  {
    code: /^STORE_TOO_LARGE$/,
    make: (session, name) => session.collection(name).put("k0", { metadata: { text: "x".repeat(65_536) } }),
  },
  {
    code: /^STORE_CONTENT$/,
    make: (session, name) => session.collection(name).put("k0", { content: (() => 0) as unknown as string }),
  },
  {
    code: /^STORE_/,
    make: (session, name) => session.collection(name).put("k0", { embedding: new Float32Array(3) }),
  },
  {
    code: /^STORE_/,
    make: (session) =>
      session.store.write([
        { op: "put", collection: "notes", id: "k0", content: "x" },
        { op: "put", collection: "notes", id: "", content: "x" },
      ]),
  },
  {
    code: /^STORE_COLLECTION$/,
    make: (session) => session.store.collection("notes", { vectors: { dimension: 9, metric: "l2" } }),
  },
  { code: /^STORE_COLLECTION$/, make: (session) => session.store.collection(" no name") },
  {
    code: /^STORE_COLLECTION$/,
    make: (session) => session.store.write([{ op: "delete", collection: "nowhere", id: "k0" }]),
  },
];

export async function mistake(
  session: Session,
  { collection, which }: { readonly collection: string; readonly which: number },
): Promise<void> {
  const { make, code } = mistakes[which % mistakes.length]!;
  const outcome = await session.outcomeOf(
    (async () => await make(session, collection))(),
    "what should have been refused",
  );
  if (session.disk.hasCrashed || session.hasFailed) return;
  if ("error" in outcome && isTyped(outcome.error) && code.test(outcome.error.code)) return;
  const was = "error" in outcome ? String(outcome.error) : "done";
  throw new Violation(`mistake ${which % mistakes.length} should have been ${code}, and was ${was}`);
}
