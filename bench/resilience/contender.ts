/**
 * What is measured: something that stands around a call. It is made once and used for many calls, as programs do.
 *
 * A contender is one small object; where it takes part is told by `row` alone, and every measurement is made of all of
 * them alike.
 */

/** The call that is guarded: it does nothing worth the name, so that what is left is the guard. */
export type AsyncCall = () => Promise<number>;
export type SyncCall = () => number;

/** Calls once through the guard. */
export type AsyncGuard = (call: AsyncCall, signal?: AbortSignal) => Promise<number>;
export type SyncGuard = (call: SyncCall) => number;

/** `breaker`: a closed circuit alone. `pipe`: retry, timeout and breaker around one call. */
export type RowName = "breaker" | "pipe";

interface ContenderBase {
  readonly name: string;
  readonly row: RowName;
  /** Bare is what the others' overhead is counted from, for each kind once a row; the ratios are to the reference. */
  readonly role: "bare" | "reference" | "peer" | "holdfast";
}

export interface AsyncContender extends ContenderBase {
  readonly kind: "async";
  /** Whether an AbortSignal can be handed in with a call. */
  readonly takesSignal?: boolean;
  make(): AsyncGuard;
  /** One guard a key, where that is not just one `make()` a key. */
  makeKeyed?(): (key: string) => AsyncGuard;
}

export interface SyncContender extends ContenderBase {
  readonly kind: "sync";
  make(): SyncGuard;
}

export type Contender = AsyncContender | SyncContender;
