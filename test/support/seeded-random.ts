export { seededRandom } from "../../src/base/index.ts";
