/** Whether a value is something to wait for: an object or a function with a `then`. Throws what reading it throws. */
export function isThenable<T>(value: PromiseLike<T> | T): value is PromiseLike<T> {
  return Object(value) === value && typeof (value as { readonly then?: unknown }).then === "function";
}
