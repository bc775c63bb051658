import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkpointBackendConformance } from "../../src/resilience/checkpoint/conformance.ts";
import { type CheckpointBackend, checkpoints } from "../../src/resilience/index.ts";
import type { Store } from "../../src/store/index.ts";
import { openStore, storeCheckpoints } from "../../src/store/index.ts";

describe("checkpoints in a store", () => {
  let folder: string;
  let store: Store;
  let places = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "holdfast-checkpoints-"));
    store = await openStore({ folder });
  });

  afterAll(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  const place = (): { open(): Promise<CheckpointBackend> } => {
    const collection = `place-${++places}`;
    return { open: () => storeCheckpoints({ store, collection }) };
  };

  it.each(checkpointBackendConformance())("R11: $name", ({ run }) => run(place()));

  it("R11: are restored from a store that was opened again", async () => {
    let state = "the state";
    const component = {
      id: "service",
      save: () => new TextEncoder().encode(state),
      restore: (bytes: Uint8Array) => {
        state = new TextDecoder().decode(bytes);
      },
    };
    const backend = await storeCheckpoints({ store });
    const kept = checkpoints({ backend });
    kept.register(component);
    await kept.checkpoint("service");
    await store.close();
    state = "";
    store = await openStore({ folder });
    const again = checkpoints({ backend: await storeCheckpoints({ store }) });
    again.register(component);
    await again.restore("service");
    expect(state).toBe("the state");
  });
});
