// The pages that no service stands behind: health, documents and the front page.
import type { DoorRequest } from "./listen.ts";
import { endJson, type Reply } from "./reply.ts";

/** Answers one path. */
export type Page = (response: Reply, request: Pick<DoorRequest, "headers">) => void;

/** What the pages show. */
export type PageParts = {
  /** Whether chat requests can be served. */
  readonly ready: () => boolean;
  /** Which configuration is in force. */
  readonly config: () => { readonly version: string; readonly loadedAt: string };
  readonly openApi: object;
  /** The public signing keys (RFC 7517); asked for at each request, because keys rotate. */
  readonly jwks: () => object;
  /** Base URL of this gateway as clients see it. */
  readonly publicUrl: () => string;
  /** The web console by path; undefined where it was not built: one plain page stands in. */
  readonly console: ReadonlyMap<string, Page> | undefined;
};

/** The pages by path. All of them are GET, and open to everybody. */
export function createPages(parts: PageParts): ReadonlyMap<string, Page> {
  const openApi = JSON.stringify(parts.openApi);
  return new Map<string, Page>([
    ["/", (response) => endHtml(response, frontPage(parts.publicUrl()))],
    ...(parts.console ?? []),
    ["/healthz", (response) => endJson(response, 200, '{"status":"ok"}')],
    [
      "/readyz",
      (response) => {
        const ready = parts.ready();
        const body = { status: ready ? "ready" : "not_ready", config: parts.config() };
        endJson(response, ready ? 200 : 503, JSON.stringify(body));
      },
    ],
    ["/openapi.json", (response) => endJson(response, 200, openApi)],
    [
      "/.well-known/jwks.json",
      (response) => {
        response.setHeader("cache-control", "public, max-age=300");
        endJson(response, 200, JSON.stringify(parts.jwks()));
      },
    ],
  ]);
}

function endHtml(response: Reply, html: string): void {
  response.setHeader(
    "content-security-policy",
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  );
  response.setHeader("x-content-type-options", "nosniff");
  response.writeHead(200, {
    "content-type": "text/html; charset=utf-8",
    "content-length": Buffer.byteLength(html),
  });
  response.end(html);
}

function frontPage(publicUrl: string): string {
  const url = escapeHtml(publicUrl);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Optamil</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 46rem; margin: 3rem auto; padding: 0 1rem }
pre { padding: 1rem; overflow-x: auto; border: 1px solid #8884; border-radius: .5rem }
</style>
<h1>Optamil</h1>
<p>An OpenAI-compatible gateway. Its base URL is <code>${url}/v1</code>; your key starts with <code>sk-optamil-</code>.</p>
<h2>Ask</h2>
<pre>curl ${url}/v1/chat/completions \\
  -H "Authorization: Bearer YOUR_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "auto", "messages": [{"role": "user", "content": "Say hello."}]}'</pre>
<h2>Look around</h2>
<pre>curl ${url}/v1/models -H "Authorization: Bearer YOUR_API_KEY"
grpcurl -plaintext ${escapeHtml(new URL(publicUrl).host)} list</pre>
<p><a href="/openapi.json">OpenAPI 3.1 document</a> · <a href="/.well-known/jwks.json">signing keys</a> · <a href="/readyz">readiness</a></p>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
