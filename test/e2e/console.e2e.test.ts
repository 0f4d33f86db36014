import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../setup/runtime.ts";
import { startGateway } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

const gateway = await startGateway();
const folder = join(projectRoot, "dist/console");
const { pages } = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));

describe("the console that was built", () => {
  it.each(Object.keys(pages))(
    "is served at %s, and may run only what this origin serves",
    async (path) => {
      const { status, headers, text } = await sendHttp1(gateway.url, { path });
      expect(status).toBe(200);
      expect(text).toBe(await readFile(join(folder, "index.html"), "utf8"));
      expect(headers).toMatchObject({
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
      });
      expect(headers["content-security-policy"]).toMatch(
        /^default-src 'none'; script-src 'self'; style-src 'self';.* frame-ancestors 'none'$/,
      );
      expect(text).not.toMatch(/<script(?![^>]* src=)|<style| style=| on\w+=/);
    },
  );

  it("names assets that are kept for ever, and come compressed", async () => {
    const { text } = await sendHttp1(gateway.url, { path: "/" });
    const assets = [...text.matchAll(/"(\/assets\/[^"]+\.(?:js|css))"/g)].map(
      ([, path]) => path ?? "",
    );
    expect(assets.length).toBeGreaterThan(1);
    for (const path of assets) {
      const plain = await sendHttp1(gateway.url, { path });
      expect(plain.text).toBe(await readFile(join(folder, path), "utf8"));
      const response = await fetch(`${gateway.url}${path}`, {
        headers: { "accept-encoding": "gzip" },
      });
      expect(response.headers.get("content-encoding")).toBe("gzip");
      expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
      expect(await response.text()).toBe(plain.text);
    }
  });

  it("takes GET alone, and leaves paths that it does not have to the API's own refusal", async () => {
    const wrong = await sendHttp1(gateway.url, { path: "/keys", method: "POST", body: {} });
    expect([wrong.status, wrong.headers["allow"]]).toEqual([405, "GET, HEAD"]);
    const missing = await sendHttp1(gateway.url, { path: "/assets/none.js" });
    expect(missing.status).toBe(404);
    expect(JSON.parse(missing.text)).toMatchObject({ error: { type: "not_found" } });
  });
});
