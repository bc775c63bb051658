/** What of the log could not be read, of a store that was opened to be salvaged. */

import type { WalLoss } from "../../wal/index.ts";
import type { LostRange, StoreEvent } from "../store.ts";

export class LostLog {
  readonly #losses: WalLoss[];

  constructor(losses: readonly WalLoss[] = []) {
    this.#losses = [...losses];
  }

  readonly add = (loss: WalLoss): void => void this.#losses.push(loss);

  /** Which keys these were about nobody knows. */
  get ranges(): LostRange[] {
    return this.#losses.map(({ path, offset }) => ({ from: "", to: "", path, offset }));
  }

  get events(): StoreEvent[] {
    return this.#losses.map(({ path, offset, reason }) => ({ kind: "damage", path, offset, reason }));
  }
}
