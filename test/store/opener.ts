/** Opens a store in a process of its own: says `open` or the error's code, and holds it until standard input ends. */
import { HoldfastError } from "../../src/base/index.ts";
import { openStore } from "../../src/store/engine/open-store.ts";

const [folder = "", mode] = process.argv.slice(2);
try {
  const store = await openStore({ folder, readOnly: mode === "read-only" });
  process.stdout.write("open\n");
  process.stdin.resume();
  process.stdin.on("end", () => void store.close());
} catch (error) {
  process.stdout.write(
    `${JSON.stringify(HoldfastError.is(error) ? { code: error.code, message: error.message } : String(error))}\n`,
  );
}
