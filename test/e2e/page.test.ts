/**
 * The example's page in a real browser: the artifact as `holdfast compile` writes it, served by the example's own
 * server, answering to the pen, to the keyboard and to the pictures that Node is given too.
 */
import { accessSync, constants } from "node:fs";
import type { Server } from "node:http";
import { delimiter, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadArtifact } from "../../examples/shapes/artifact.ts";
import { classes, draw, seeded } from "../../examples/shapes/draw.ts";
import { serve } from "../../examples/shapes/serve.ts";
import { compareOutputs } from "../../src/tensor/index.ts";
import { exampleModel, holdfast, newFolder, removeFolder } from "./command-line.ts";

function findChromium(): string | undefined {
  const places = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return places
    .flatMap((folder) => ["chromium", "chromium-browser", "google-chrome"].map((name) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** What the page offers to its console, as far as the test uses it. */
declare global {
  var shapes: {
    readonly ready: Promise<void>;
    classify(image: Float32Array): Float32Array;
    pixels(): Float32Array;
  };
}

/** What is looked at of elements there; no browser's types are here. */
interface Part {
  readonly scrollWidth: number;
  readonly clientWidth: number;
  readonly offsetHeight: number;
  readonly offsetTop: number;
  readonly outerHTML: string;
}

interface Row {
  readonly classList: { add(name: string): void };
  readonly lastElementChild: { textContent: string };
}

const executablePath = findChromium();

describe.skipIf(executablePath === undefined)(
  `the example's page${executablePath === undefined ? " (no chromium here)" : ""}`,
  () => {
    const folder = newFolder();
    const artifact = join(folder, "shapes");
    let server: Server;
    let browser: Browser;
    let page: Page;
    let url: string;
    const complaints: string[] = [];
    const warnings: string[] = [];
    const warn = ({ message }: Error): number => warnings.push(message);

    beforeAll(async () => {
      process.on("warning", warn);
      const { exitCode } = await holdfast([
        "compile",
        exampleModel,
        "--state",
        join(folder, "state"),
        "--out",
        artifact,
      ]);
      expect(exitCode).toBe(0);
      ({ server, url } = await serve(artifact));
      // Chromium's own sandbox refuses to start for root, who runs the tests in most containers.
      browser = await chromium.launch({ executablePath: executablePath!, chromiumSandbox: process.getuid?.() !== 0 });
      page = await browser.newPage();
      page.on("pageerror", ({ message }) => complaints.push(message));
      page.on("console", (line) => line.type() === "error" && complaints.push(line.text()));
      page.on("requestfailed", (request) => complaints.push(`no answer from ${request.url()}`));
      await page.goto(url);
      await page.evaluate(() => shapes.ready);
    });

    afterAll(async () => {
      process.off("warning", warn);
      await browser?.close();
      await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
      removeFolder(folder);
    });

    it("answers there as it does in Node", async () => {
      const random = seeded(7);
      const pictures = Array.from({ length: 200 }, (_, place) => draw(place % classes.length, random));
      const model = await loadArtifact(artifact);
      const expected = pictures.map((image) => model.run({ image }).probabilities.slice());
      const answers = await page.evaluate(
        (images) => images.map((image) => [...shapes.classify(new Float32Array(image))]),
        pictures.map((picture) => [...picture]),
      );
      compareOutputs(
        expected,
        answers.map((answer) => new Float32Array(answer)),
      );
      const right = answers.filter((answer, place) => answer.indexOf(Math.max(...answer)) === place % classes.length);
      expect(right.length).toBeGreaterThan(170);
    });

    const strokes = {
      line: [[0.2, 0.75, 0.8, 0.25]],
      cross: [
        [0.25, 0.25, 0.75, 0.75],
        [0.75, 0.25, 0.25, 0.75],
      ],
      square: [
        [0.25, 0.25, 0.75, 0.25],
        [0.75, 0.25, 0.75, 0.75],
        [0.75, 0.75, 0.25, 0.75],
        [0.25, 0.75, 0.25, 0.25],
      ],
      triangle: [
        [0.5, 0.2, 0.8, 0.75],
        [0.8, 0.75, 0.2, 0.75],
        [0.2, 0.75, 0.5, 0.2],
      ],
    } as const;

    for (const [name, lines] of Object.entries(strokes)) {
      it(`names a ${name} drawn with the pen`, async () => {
        await page.getByRole("button", { name: "Clear" }).click();
        await page.getByText("Waiting for your pen").waitFor();
        const box = (await page.locator("#canvas").boundingBox())!;
        for (const [fromX, fromY, toX, toY] of lines) {
          await page.mouse.move(box.x + fromX * box.width, box.y + fromY * box.height);
          await page.mouse.down();
          await page.mouse.move(box.x + toX * box.width, box.y + toY * box.height, { steps: 8 });
          await page.mouse.up();
        }
        await page.locator("#verdict", { hasText: new RegExp(`a ${name}$`, "i") }).waitFor({ timeout: 5_000 });
      });
    }

    it("can be drawn on and wiped with the keyboard alone", async () => {
      await page.getByRole("button", { name: "Clear" }).click();
      await page.locator("#canvas").focus();
      await page.keyboard.press("Space");
      for (let step = 0; step < 10; step++) await page.keyboard.press("ArrowRight");
      await expect
        .poll(() => page.evaluate(() => shapes.pixels().filter((ink) => ink > 0.5).length))
        .toBeGreaterThan(10);
      await page.keyboard.press("Escape");
      await page.getByText("Waiting for your pen").waitFor();
    });

    it.each([320, 390, 820, 1280])("fits a window %i pixels wide: no figure sticks out or breaks", async (width) => {
      await page.setViewportSize({ width, height: 900 });
      // The widest there can be, in the bold of the top row.
      await page.locator("#bars li").evaluateAll((rows: Row[]) => {
        for (const { classList, lastElementChild } of rows) {
          classList.add("top");
          lastElementChild.textContent = "100.0 %";
        }
      });
      const misfits = await page
        .locator(".percent, dd")
        .evaluateAll((parts: Part[]) =>
          parts
            .filter((part) => part.scrollWidth > part.clientWidth || part.offsetHeight > 32)
            .map((part) => part.outerHTML),
        );
      expect(misfits).toEqual([]);
      const tops = await page.locator("dl > div").evaluateAll((parts: Part[]) => parts.map((part) => part.offsetTop));
      expect(tops).toEqual([tops[0], tops[0], tops[0]]);
      const pageWidth = await page.locator("html").evaluate((part: Part) => part.scrollWidth);
      expect(pageWidth).toBeLessThanOrEqual(width);
    });

    it("fetches nothing from elsewhere, and its server gives out nothing but its own files", async () => {
      const hosts = await page.evaluate(() =>
        performance.getEntriesByType("resource").map(({ name }) => new URL(name).host),
      );
      expect(new Set(hosts)).toEqual(new Set([new URL(url).host]));
      for (const path of ["/../package.json", "/..%2fpackage.json", "/serve.ts", "//etc/passwd"]) {
        expect((await fetch(url + path.slice(1))).status, path).toBe(404);
      }
      expect((await fetch(url, { method: "POST" })).status).toBe(405);
    });

    it("has nothing to complain of, and neither has its server", () => {
      expect(complaints).toEqual([]);
      expect(warnings).toEqual([]);
    });
  },
);
