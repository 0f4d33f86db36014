import { mkdir, readFile, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import {
  Health,
  HealthCheckResponse_ServingStatus,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ChatService } from "../../src/gen/optamil/v1/chat_pb.ts";
import { chunk, event, openUpstream } from "../fakes/openai-upstream.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { run, startProcess } from "../setup/process.ts";
import { projectRoot } from "../setup/runtime.ts";
import { bearer } from "./doors.ts";
import { type Gateway, startGateway, temporaryFolder } from "./gateway.ts";

let proceed = () => {};
const upstream = await openUpstream((response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(event(chunk({ role: "assistant", content: "first" })));
  proceed = () =>
    response.end(`${event(chunk({ content: "last" }))}${event(chunk({}, "stop"))}data: [DONE]\n\n`);
});
afterAll(upstream.close);
const secure = { rejectUnauthorized: false };

await describeWith(
  "behind nginx with the configuration of deploy/nginx",
  () => debianTool("nginx"),
  (nginx) => {
    let gateway: Gateway;
    let port = 0;
    let url = "";

    beforeAll(async () => {
      gateway = await startGateway({
        config: {
          providers: [
            { name: "lab", kind: "openai", baseUrl: upstream.baseUrl, models: ["gpt-4.1"] },
          ],
        },
      });
      port = await freePort();
      url = `https://localhost:${port}`;
      const main = await writeNginxConfig(gateway.port, port);
      const checked = await run(nginx, ["-t", "-c", main]);
      expect(checked.code, checked.stderr).toBe(0);
      expect(checked.stderr).not.toMatch(/warn|emerg/);
      await startProcess(nginx, ["-c", main]);
      await vi.waitFor(async () => expect((await ask("/readyz")).status).toBe(200), 20_000);
    }, 60_000);

    const ask = (path: string, headers = {}, body?: string) =>
      new Promise<{ status: number | undefined; next: () => Promise<string> }>(
        (resolve, reject) => {
          const method = body === undefined ? "GET" : "POST";
          const sent = request(`${url}${path}`, { ...secure, method, headers }, (response) => {
            const pieces = response[Symbol.asyncIterator]();
            const next = async () => String((await pieces.next()).value ?? "");
            resolve({ status: response.statusCode, next });
          });
          sent.on("error", reject).end(body);
        },
      );
    const chat = { model: "gpt-4.1", messages: [{ role: "user", content: "hello" }] };

    it("a token of a stream arrives before the next one is there", async () => {
      const headers = { ...bearer(gateway.key), "content-type": "application/json" };
      const body = JSON.stringify({ ...chat, stream: true });
      const { status, next } = await ask("/v1/chat/completions", headers, body);
      expect(status).toBe(200);
      expect(await next()).toContain('"content":"first"');
      proceed();
      let rest = "";
      for (let piece = await next(); piece !== ""; piece = await next()) rest += piece;
      expect(rest).toMatch(/"content":"last"[\s\S]+data: \[DONE\]\n\n$/);
    });

    it.each([
      ["gRPC", () => createGrpcTransport({ baseUrl: url, nodeOptions: secure })],
      [
        "gRPC-Web",
        () => createGrpcWebTransport({ baseUrl: url, httpVersion: "1.1", nodeOptions: secure }),
      ],
      [
        "Connect",
        () => createConnectTransport({ baseUrl: url, httpVersion: "2", nodeOptions: secure }),
      ],
    ])("so does a message of %s", async (_name, open) => {
      const client = createClient(ChatService, open());
      const { model } = chat;
      const messages = [
        { role: "user", content: { kind: { case: "text", value: "hello" } } } as const,
      ];
      const answers = client.streamChatCompletion(
        { model, messages },
        { headers: bearer(gateway.key) },
      );
      const words: (string | undefined)[] = [];
      for await (const { choices } of answers) {
        words.push(choices[0]?.delta?.content);
        if (words.length === 1) proceed();
      }
      expect(words.slice(0, 2)).toEqual(["first", "last"]);
    });

    it("gRPC's health is served, and metrics are not shown", async () => {
      const health = createClient(
        Health,
        createGrpcTransport({ baseUrl: url, nodeOptions: secure }),
      );
      expect((await health.check({})).status).toBe(HealthCheckResponse_ServingStatus.SERVING);
      expect((await ask("/metrics", bearer(gateway.key))).status).toBe(404);
    });
  },
);

/** The files of deploy/nginx with a test's ports and certificate, in a configuration of their own. */
async function writeNginxConfig(gatewayPort: number, port: number): Promise<string> {
  const folder = await temporaryFolder();
  const certificates = join(projectRoot, "test/fakes");
  const proxy = join(projectRoot, "deploy/nginx/optamil-proxy.conf");
  const own = await readFile(join(projectRoot, "deploy/nginx/optamil.conf"), "utf8");
  const site = own
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${gatewayPort}`)
    .replace("listen 443", `listen 127.0.0.1:${port}`)
    .replace("/etc/nginx/optamil.crt", join(certificates, "localhost.cert.pem"))
    .replace("/etc/nginx/optamil.key", join(certificates, "localhost.key.pem"))
    .replaceAll("/etc/nginx/optamil-proxy.conf", proxy);
  expect(site).not.toMatch(/^[^#]*\/etc\/nginx/m);
  await writeFile(join(folder, "site.conf"), site);
  await mkdir(join(folder, "temp"));
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(folder, "temp", name)};`,
  );
  const main = join(folder, "nginx.conf");
  await writeFile(
    main,
    `daemon off; pid ${join(folder, "nginx.pid")}; error_log stderr;
     events { worker_connections 256; }
     http { access_log off; ${temp.join(" ")} include ${join(folder, "site.conf")}; }`,
  );
  return main;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
