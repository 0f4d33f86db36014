import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readConsole } from "../../src/gateway/console-files.ts";
import type { Page } from "../../src/gateway/pages.ts";

const folder = await mkdtemp(join(tmpdir(), "optamil-console-"));
afterAll(() => rm(folder, { recursive: true }));

const files: Record<string, string> = {
  "index.html": "<!doctype html>",
  "assets/index-abc.js": "0;",
  "assets/index-abc.js.gz": "gzipped",
  "assets/index-abc.js.br": "brotli",
  "manifest.json": JSON.stringify({
    pages: { "/": "index.html", "/keys": "index.html" },
  }),
};
await mkdir(join(folder, "assets"));
for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);

const troubles: string[] = [];
const pages = await readConsole(folder, (why) => troubles.push(why));

type Answer = { status: number; headers: Record<string, string>; body: string };

/** What a page answers to a request with some headers. */
function get(path: string, headers: Record<string, string> = {}): Answer {
  const page: Page | undefined = pages?.get(path);
  if (page === undefined) throw new Error(`there is no page ${path}`);
  const answer: Answer = { status: 0, headers: {}, body: "" };
  const never = () => {
    throw new Error("the page does not need this");
  };
  page.show(
    {
      ...{ statusCode: 200, headersSent: false, destroyed: false, writableEnded: false },
      setHeader: (name, value) => (answer.headers[name] = value),
      hasHeader: never,
      writeHead: (status) => (answer.status = status),
      write: never,
      end: (data) => (answer.body = Buffer.from(data ?? "").toString()),
      once: never,
      destroy: never,
    },
    { headers },
  );
  return answer;
}

describe("the console's files", () => {
  it("are the pages of its manifest and its assets, without the compressed forms", () => {
    const paths = ["/", "/assets/index-abc.js", "/keys"];
    expect([...(pages ?? new Map()).keys()].toSorted()).toEqual(paths);
    expect(troubles).toEqual([]);
  });

  it.each([
    ["", "0;", undefined],
    ["gzip, deflate, br", "brotli", "br"],
    ["gzip", "gzipped", "gzip"],
    ["br;q=0, gzip;q=0.5", "gzipped", "gzip"],
    ["br;q=0, gzip;q=0.0", "0;", undefined],
    ["brotli, gzipped", "0;", undefined],
  ])("are sent as the client takes them: '%s'", (accepted, body, encoding) => {
    const answer = get("/assets/index-abc.js", { "accept-encoding": accepted });
    expect(answer.body).toBe(body);
    expect(answer.headers["content-encoding"]).toBe(encoding);
    expect(answer.headers["content-type"]).toBe("text/javascript; charset=utf-8");
  });

  it("are kept for a year where their names have their hash, and asked for anew elsewhere", () => {
    const asset = get("/assets/index-abc.js").headers["cache-control"];
    expect(asset).toBe("public, max-age=31536000, immutable");
    expect(get("/").headers["cache-control"]).toBe("no-cache");
    const { headers, status } = get("/keys");
    expect(status).toBe(200);
    const again = get("/keys", { "if-none-match": headers["etag"] ?? "" });
    expect([again.status, again.body]).toEqual([304, ""]);
  });

  it("may run and show what this origin serves, and be framed by nobody", () => {
    for (const path of pages?.keys() ?? []) {
      const { headers } = get(path);
      const policy = headers["content-security-policy"] ?? "";
      expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'/);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain("unsafe");
      expect(headers["x-content-type-options"]).toBe("nosniff");
    }
    expect(get("/").headers["x-frame-options"]).toBe("DENY");
  });
});

describe("a folder", () => {
  it("without a console is no trouble", async () => {
    expect(await readConsole(join(folder, "none"), (why) => troubles.push(why))).toBeUndefined();
    expect(troubles).toEqual([]);
  });

  it("with half a console is one trouble, and no console", async () => {
    const half = join(folder, "half");
    await mkdir(join(half, "assets"), { recursive: true });
    await writeFile(join(half, "manifest.json"), JSON.stringify({ pages: { "/": "index.html" } }));
    const said: string[] = [];
    expect(await readConsole(half, (why) => said.push(why))).toBeUndefined();
    expect(said).toEqual([expect.stringContaining("ENOENT")]);
  });
});
