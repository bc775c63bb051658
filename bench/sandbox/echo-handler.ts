/** The barest handler, to be measured beside the barest forked child. */

export function handle(_kind: string, payload: Uint8Array): Uint8Array {
  return payload;
}
