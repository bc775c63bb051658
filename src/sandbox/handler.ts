/** What a handler module exports: the one function that a cell calls for every job. */

export interface CellContext {
  /** Says where the job is. Reaches the parent at once, so that a verdict can name the phase that crashed. */
  readonly phase: (name: string) => void;
}

/** The handler module exports this as `handle`. What it throws crosses to the parent as a verdict of kind "error". */
export type CellHandler = (kind: string, payload: Uint8Array, context: CellContext) => Uint8Array | Promise<Uint8Array>;
