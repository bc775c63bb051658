/**
 * What goes wrong on a simulated disk, as values. A fault prints as the expression that makes it, so that what a run
 * found can be pasted into a test.
 *
 * A fault that strikes an operation waits for the `occurrence`-th one (from 1) whose path matches, and strikes once, or
 * with `forever` from then on. Errors come as the system would give them: EIO unless `code` says otherwise.
 */

export interface Strike {
  /** Default: every path. */
  readonly path?: RegExp;
  /** Default 1: the first. */
  readonly occurrence?: number;
  readonly forever?: boolean;
  /** Of the system, for example ENOSPC. Default EIO. */
  readonly code?: string;
}

export interface FaultOptions {
  readonly failOpen: Strike;
  readonly failList: Strike;
  readonly failRead: Strike;
  /** Only `bytes` come back, as though the file ended there. Default 0. */
  readonly shortRead: Strike & { readonly bytes?: number };
  /** The first `bytes` are written all the same. Default 0. */
  readonly failWrite: Strike & { readonly bytes?: number };
  /** With `lies`, the pages count as clean: they are read back until the power goes, and no later sync saves them. */
  readonly failSync: Strike & { readonly lies?: boolean };
  readonly failSyncFolder: Strike & { readonly lies?: boolean };
  readonly failTruncate: Strike;
  readonly failRename: Strike;
  readonly failRemove: Strike;
  /** The bytes land at `offset` of the same file instead, and the write succeeds. */
  readonly misdirectedWrite: Strike & { readonly offset: number };
  /** Every read of this byte shows the bit (0 to 7) flipped. */
  readonly bitRot: { readonly path: RegExp; readonly offset: number; readonly bit: number };
  /** All files together take no more than this; a write that would take more is done in part. */
  readonly noSpaceAfter: { readonly bytes: number };
}

export type FaultKind = keyof FaultOptions;

export class Fault<Kind extends FaultKind = FaultKind> {
  readonly kind: Kind;
  readonly options: FaultOptions[Kind];

  constructor(kind: Kind, options: FaultOptions[Kind]) {
    this.kind = kind;
    this.options = options;
  }

  toString(): string {
    if (this.isOf("noSpaceAfter")) return `noSpaceAfter(${this.options.bytes})`;
    const parts = Object.entries(this.options).map(([name, value]) => `${name}: ${printed(value)}`);
    return `${this.kind}(${parts.length === 0 ? "" : `{ ${parts.join(", ")} }`})`;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  isOf<Wanted extends FaultKind>(kind: Wanted): this is Fault<Wanted> {
    return (this.kind as FaultKind) === kind;
  }
}

function printed(value: unknown): string {
  return value instanceof RegExp ? String(value) : JSON.stringify(value);
}

type Of<Kind extends FaultKind> = FaultOptions[Kind];

export const failOpen = (options: Of<"failOpen"> = {}): Fault => new Fault("failOpen", options);
export const failList = (options: Of<"failList"> = {}): Fault => new Fault("failList", options);
export const failRead = (options: Of<"failRead"> = {}): Fault => new Fault("failRead", options);
export const shortRead = (options: Of<"shortRead"> = {}): Fault => new Fault("shortRead", options);
export const failWrite = (options: Of<"failWrite"> = {}): Fault => new Fault("failWrite", options);
export const failSync = (options: Of<"failSync"> = {}): Fault => new Fault("failSync", options);
export const failSyncFolder = (options: Of<"failSyncFolder"> = {}): Fault => new Fault("failSyncFolder", options);
export const failTruncate = (options: Of<"failTruncate"> = {}): Fault => new Fault("failTruncate", options);
export const failRename = (options: Of<"failRename"> = {}): Fault => new Fault("failRename", options);
export const failRemove = (options: Of<"failRemove"> = {}): Fault => new Fault("failRemove", options);
export const misdirectedWrite = (options: Of<"misdirectedWrite">): Fault => new Fault("misdirectedWrite", options);
export const bitRot = (options: Of<"bitRot">): Fault => new Fault("bitRot", options);
export const noSpaceAfter = (bytes: number): Fault => new Fault("noSpaceAfter", { bytes });

/** The faults of one disk, and how often each had its chance. */
export class FaultPlan {
  readonly #faults: readonly Fault[];
  readonly #seen = new Map<Fault, number>();
  /** How often a fault struck. */
  struck = 0;

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
  }

  /** Whether a fault of this kind strikes the operation that is about to be done on this path. */
  strikes<Kind extends FaultKind>(kind: Kind, path: string): Fault<Kind> | undefined {
    for (const fault of this.#faults) {
      if (!fault.isOf(kind)) continue;
      const strike = fault.options as Strike;
      if (strike.path !== undefined && !strike.path.test(path)) continue;
      const seen = (this.#seen.get(fault) ?? 0) + 1;
      this.#seen.set(fault, seen);
      const wanted = strike.occurrence ?? 1;
      if (seen !== wanted && !(strike.forever === true && seen > wanted)) continue;
      this.struck++;
      return fault;
    }
    return undefined;
  }

  /** The bytes that all files together may take. */
  get spaceBytes(): number {
    let bytes = Number.POSITIVE_INFINITY;
    for (const fault of this.#faults) if (fault.isOf("noSpaceAfter")) bytes = Math.min(bytes, fault.options.bytes);
    return bytes;
  }

  /** Flips what has rotted of the bytes of `path` that were read from `offset` on. */
  rot(path: string, bytes: Uint8Array, offset: number): void {
    for (const fault of this.#faults) {
      if (!fault.isOf("bitRot") || !fault.options.path.test(path)) continue;
      const at = fault.options.offset - offset;
      if (at < 0 || at >= bytes.length) continue;
      bytes[at] ^= 1 << fault.options.bit;
      this.struck++;
    }
  }
}
