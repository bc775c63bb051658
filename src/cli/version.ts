/** The package's version; a test holds it against package.json. */
export const version = "0.1.0";

/** What to type for this command line: from sources there is no `holdfast` on the path. */
export const invocation = import.meta.url.endsWith(".ts") ? "npm run -s holdfast --" : "holdfast";
