import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startGateway } from "../e2e/gateway.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { projectRoot } from "../setup/runtime.ts";
import { openBrowser, openPage, signUp } from "./browser.ts";

const gateway = await startGateway();
const gzipBytesMax = 200_000;

/** Bytes of a file of the console as gzip; one that is too small for it as it is. */
async function gzipBytes(path: string): Promise<number> {
  const file = join(projectRoot, "dist/console", path === "/" ? "index.html" : path);
  const { size } = await stat(`${file}.gz`).catch(() => stat(file));
  return size;
}

await describeWith(
  "the first load",
  () => debianTool("chromium"),
  (executable) => {
    it("is at most 200 kB of gzip, the start page included, and has neither charts nor docs", async () => {
      const { page } = await openPage(await openBrowser(executable), gateway.url);
      await signUp(page, gateway.url, "first@example.org");
      const files = new Set<string>();
      page.on("request", (request) => {
        const { pathname } = new URL(request.url());
        if (pathname === "/" || pathname.startsWith("/assets/")) files.add(pathname);
      });
      await page
        .context()
        .newCDPSession(page)
        .then((session) => session.send("Network.setCacheDisabled", { cacheDisabled: true }));
      await page.goto(gateway.url, { waitUntil: "networkidle" });
      expect(files.size).toBeGreaterThan(2);
      const bytes = await Promise.all([...files].map(gzipBytes));
      const total = bytes.reduce((sum, size) => sum + size, 0);
      console.log(
        `figure  first load of the console, gzip  ${Math.round(total / 1_000)} kB in ${files.size} files`,
      );
      expect(total).toBeLessThanOrEqual(gzipBytesMax);
      const texts = await Promise.all(
        [...files].map((path) =>
          readFile(join(projectRoot, "dist/console", path === "/" ? "index.html" : path), "utf8"),
        ),
      );
      expect(texts.filter((text) => text.includes("uplot") && !text.includes("u-legend"))).toEqual(
        [],
      );
      expect(texts.filter((text) => text.includes("idempotency_mismatch"))).toEqual([]);
    });
  },
);
