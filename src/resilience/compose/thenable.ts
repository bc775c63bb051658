/** Whether a value is something to wait for. What is not need not cost a timer. Throws what reading `then` throws. */
export function isThenable<T>(value: PromiseLike<T> | T): value is PromiseLike<T> {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return false;
  return typeof (value as { readonly then?: unknown }).then === "function";
}
