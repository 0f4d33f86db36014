// The pages that no service stands behind: health, documents and the front page.
import { OptamilError, toErrorBody } from "../platform/errors.ts";
import type { MetricsReader } from "../platform/metrics.ts";
import {
  acceptsOpenMetrics,
  openMetricsContentType,
  prometheusContentType,
  toOpenMetricsText,
  toPrometheusText,
} from "../platform/prometheus.ts";
import type { DoorHandler, DoorRequest } from "./listen.ts";
import { endJson, type Reply } from "./reply.ts";

/** Answers one path. */
export type Page = {
  readonly show: (response: Reply, request: Pick<DoorRequest, "headers">) => void;
  /** What a caller must be allowed to. Default: everybody sees it. */
  readonly scope?: string | undefined;
};

/** What the pages show. */
export type PageParts = {
  /** Whether chat requests can be served. */
  readonly ready: () => boolean;
  /** Names of the shared services that this process does without at the moment. Default: none. */
  readonly degraded?: (() => readonly string[]) | undefined;
  /** Which configuration is in force. */
  readonly config: () => { readonly version: string; readonly loadedAt: string };
  readonly openApi: object;
  /** The public signing keys (RFC 7517); asked for at each request, because keys rotate. */
  readonly jwks: () => object;
  /** Base URL of this gateway as clients see it. */
  readonly publicUrl: () => string;
  /** The web console by path; undefined where it was not built: one plain page stands in. */
  readonly console: ReadonlyMap<string, Page> | undefined;
  readonly metrics: MetricsReader;
};

/** The pages by path. All of them are GET; metrics tell of everybody's traffic, and are for admins. */
export function createPages(parts: PageParts): ReadonlyMap<string, Page> {
  const openApi = JSON.stringify(parts.openApi);
  return new Map<string, Page>([
    ["/", { show: (response) => endHtml(response, frontPage(parts.publicUrl())) }],
    ...(parts.console ?? []),
    ...createStatusPages(parts),
    [
      "/metrics",
      {
        show: (response, request) => void endMetrics(response, request, parts.metrics),
        scope: "admin",
      },
    ],
    ["/openapi.json", { show: (response) => endJson(response, 200, openApi) }],
    [
      "/.well-known/jwks.json",
      {
        show: (response) => {
          response.setHeader("cache-control", "public, max-age=300");
          endJson(response, 200, JSON.stringify(parts.jwks()));
        },
      },
    ],
  ]);
}

/** The pages that say how a process is. */
function createStatusPages({
  ready,
  degraded = () => [],
  config,
}: Pick<PageParts, "ready" | "degraded" | "config">): readonly [string, Page][] {
  const showReadiness = (response: Reply) => {
    const isReady = ready();
    const status = isReady ? "ready" : "not_ready";
    const away = degraded();
    const body = { status, ...(away.length > 0 && { degraded: away }), config: config() };
    endJson(response, isReady ? 200 : 503, JSON.stringify(body));
  };
  return [
    ["/healthz", { show: (response) => endJson(response, 200, '{"status":"ok"}') }],
    ["/readyz", { show: showReadiness }],
  ];
}

async function endMetrics(
  response: Reply,
  { headers }: Pick<DoorRequest, "headers">,
  metrics: MetricsReader,
): Promise<void> {
  const isOpen = acceptsOpenMetrics(headers.accept);
  const text = (isOpen ? toOpenMetricsText : toPrometheusText)(await metrics.collect());
  response.writeHead(200, {
    "content-type": isOpen ? openMetricsContentType : prometheusContentType,
    vary: "accept",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

/** A handler for a port of its own, which only the operator reaches: health and metrics without a key. */
export function createOperatorDoor(
  parts: Pick<PageParts, "ready" | "degraded" | "config" | "metrics">,
): DoorHandler {
  const pages = new Map<string, Page>([
    ...createStatusPages(parts),
    [
      "/metrics",
      { show: (response, request) => void endMetrics(response, request, parts.metrics) },
    ],
  ]);
  return (request, response) => {
    request.resume();
    const page = request.method === "GET" ? pages.get(request.url ?? "") : undefined;
    if (page !== undefined) page.show(response, request);
    else endJson(response, 404, JSON.stringify(toErrorBody(nothingHere())));
  };
}

function nothingHere(): OptamilError {
  return new OptamilError("not_found", "Here are GET /healthz, /readyz and /metrics.");
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
