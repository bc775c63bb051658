/**
 * What to tell people of anything that was thrown. Anybody may throw anything (`null`, an object without a prototype,
 * an error whose `message` is a getter that throws), and what reports a failure must not fail by it.
 */

/** The message, or where `withStack` the stack if there is one. Never throws. */
export function errorText(error: unknown, withStack = false): string {
  try {
    return String(error instanceof Error ? (withStack && error.stack) || error.message : error);
  } catch {
    return "something that has no text";
  }
}
