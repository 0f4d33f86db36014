// The web console's files: read once, kept in memory, each beside its compressed forms.
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import type { DoorRequest } from "./listen.ts";
import type { Page } from "./pages.ts";
import type { Reply } from "./reply.ts";

/** Bytes of all files together, compressed forms included; the console that is built today has a tenth of it. */
const bytesMax = 32 * 1024 * 1024;

/** Content types by ending. */
const contentTypes: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

/** What a page may do: run and show what this origin serves, and be framed by nobody (CSP Level 3). */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
];

/** Headers of each file, beside the page's own policy. */
const headers: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** Headers of the HTML pages. */
const pageHeaders: Readonly<Record<string, string>> = {
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  "x-frame-options": "DENY",
};

/** What the build says of the pages: which file answers a path. */
type Manifest = { readonly pages: Readonly<Record<string, string>> };

/** The forms of one file: as it is, and compressed where that is smaller. */
type Content = {
  readonly plain: Uint8Array;
  readonly gzip: Uint8Array | undefined;
  readonly brotli: Uint8Array | undefined;
  readonly etag: string;
};

/**
 * The pages of the console that was built into a folder, by path. Undefined where there is none, which is no trouble,
 * and where it cannot be read or is larger than 32 MiB: then `onTrouble` is told why.
 */
export async function readConsole(
  folder: string,
  onTrouble: (why: string) => void,
): Promise<ReadonlyMap<string, Page> | undefined> {
  const manifest = await readFile(join(folder, "manifest.json"), "utf8").catch(() => undefined);
  if (manifest === undefined) return undefined;
  try {
    return await readPages(folder, JSON.parse(manifest));
  } catch (error) {
    onTrouble(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

async function readPages(folder: string, { pages }: Manifest): Promise<ReadonlyMap<string, Page>> {
  const found = new Map<string, Page>();
  const read = createReader(folder);
  for (const name of await readdir(join(folder, "assets"))) {
    if (/\.(br|gz)$/.test(name)) continue;
    const path = `/assets/${name}`;
    found.set(path, toPage(await read(`assets/${name}`), toHeaders(name, "asset")));
  }
  const contents = new Map<string, Content>();
  for (const [path, file] of Object.entries(pages)) {
    const content = contents.get(file) ?? (await read(file));
    contents.set(file, content);
    found.set(path, toPage(content, toHeaders(file, "page")));
  }
  return found;
}

/** Reads files until they are too large together. */
function createReader(folder: string): (name: string) => Promise<Content> {
  let bytes = 0;
  const one = async (name: string) => {
    const content = await readFile(join(folder, name));
    bytes += content.byteLength;
    if (bytes > bytesMax) throw new Error(`${folder} has more than ${bytesMax} bytes`);
    return content;
  };
  const maybe = (name: string) =>
    one(name).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
  return async (name) => {
    const plain = await one(name);
    const digest = createHash("sha256").update(plain).digest("base64url");
    return {
      plain,
      gzip: await maybe(`${name}.gz`),
      brotli: await maybe(`${name}.br`),
      etag: digest.slice(0, 22),
    };
  };
}

function toHeaders(name: string, kind: "asset" | "page"): Readonly<Record<string, string>> {
  const type = contentTypes[extname(name)] ?? "application/octet-stream";
  // The name of an asset has the hash of what is in it.
  const caching = kind === "asset" ? "public, max-age=31536000, immutable" : "no-cache";
  return {
    "content-type": type,
    "cache-control": caching,
    "content-security-policy": policy.join("; "),
    ...headers,
    ...(kind === "page" && pageHeaders),
  };
}

function toPage(content: Content, own: Readonly<Record<string, string>>): Page {
  const show: Page["show"] = (response, request) => {
    for (const [name, value] of Object.entries(own)) response.setHeader(name, value);
    const { body, encoding } = pickForm(content, request);
    const etag = `"${content.etag}${encoding === undefined ? "" : `-${encoding}`}"`;
    response.setHeader("etag", etag);
    response.setHeader("vary", "Accept-Encoding, Origin");
    if (request.headers["if-none-match"] === etag) {
      response.writeHead(304);
      response.end();
      return;
    }
    if (encoding !== undefined) response.setHeader("content-encoding", encoding);
    endWhole(response, body);
  };
  return { show };
}

function endWhole(response: Reply, body: Uint8Array): void {
  response.writeHead(200, { "content-length": body.byteLength });
  response.end(body);
}

/** The smallest form that the client takes (RFC 9110 §12.5.3); one that is refused with q=0 is not sent. */
function pickForm(
  { plain, gzip, brotli }: Content,
  { headers: { "accept-encoding": accepted } }: Pick<DoorRequest, "headers">,
): { body: Uint8Array; encoding: string | undefined } {
  const codings = String(accepted ?? "").split(",");
  const takes = (name: string) =>
    codings.some((coding) =>
      new RegExp(`^\\s*${name}\\s*(;\\s*q=(?!0(\\.0*)?\\s*$)|$)`).test(coding),
    );
  if (brotli !== undefined && takes("br")) return { body: brotli, encoding: "br" };
  if (gzip !== undefined && takes("gzip")) return { body: gzip, encoding: "gzip" };
  return { body: plain, encoding: undefined };
}
