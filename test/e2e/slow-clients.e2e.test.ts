import { once } from "node:events";
import { Agent, request } from "node:http";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { run } from "../setup/process.ts";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

const attackSeconds = 12;
const connections = 500;

/** What slowhttptest's clients are slow at (its manual, "slowloris", "slow POST", "slow read"). */
const attacks: readonly (readonly [name: string, path: string, args: readonly string[]])[] = [
  ["heads", "/", ["-H", "-i", "1"]],
  [
    "bodies",
    "/v1/sessions",
    ["-B", "-i", "1", "-s", "8192", "-t", "POST", "-f", "application/json"],
  ],
  ["reads", "/openapi.json", ["-X", "-w", "1", "-y", "2", "-n", "5", "-z", "1", "-k", "3"]],
];

const chat = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;
}

describe("a connection that is kept alive and busy", () => {
  it("is never told that it was slow, however short the time for a request is", async () => {
    const limits = { headersTimeoutMs: 150, requestTimeoutMs: 300 };
    const gateway = await startGateway({ config: { limits } });
    const { hostname, port } = new URL(gateway.url);
    const headers = { "content-type": "application/json" };
    const statuses = new Map<number, number>();
    const work = async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const endMs = performance.now() + 4_000;
      while (performance.now() < endMs) {
        const sent = request({
          agent,
          hostname,
          port,
          path: "/v1/sessions",
          method: "POST",
          headers,
        });
        const answered = once(sent, "response");
        sent.end("{}");
        const [{ statusCode }, response] = await answered.then(([got]) => [got, got.resume()]);
        await once(response, "end");
        statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
      }
      agent.destroy();
    };
    await Promise.all([work(), work(), work(), work()]);
    // What is asked is nothing that has an answer: the doors are what is looked at.
    expect([...statuses.keys()]).toEqual([400]);
    expect(statuses.get(400)).toBeGreaterThan(100);
  });
});

await describeWith(
  "clients that are slow, 500 of each kind at once,",
  () => debianTool("slowhttptest"),
  (slowhttptest) => {
    it("keep nobody else from an answer, and the gateway stops as ever", async () => {
      // As many as it can answer while it lasts.
      const plans = [{ name: "business", requestsPerMinute: 1_000_000, requestsPerDay: 1_000_000 }];
      const gateway = await startGateway({ config: { plans } });
      const question = {
        path: "/v1/chat/completions",
        headers: bearer(gateway.key),
        body: chat,
      };
      const ask = async (times: number[]) => {
        const startedMs = performance.now();
        const { status, text } = await sendHttp1(gateway.url, question);
        expect(status, text).toBe(200);
        times.push(performance.now() - startedMs);
      };
      const alone: number[] = [];
      for (let count = 0; count < 200; count += 1) await ask(alone);

      const common = ["-c", String(connections), "-r", "200", "-l", String(attackSeconds)];
      let running = attacks.length;
      const attacked = attacks.map(async ([name, path, args]) => {
        const done = await run(slowhttptest, [...common, ...args, "-u", gateway.url + path]);
        running -= 1;
        return { name, output: stripVTControlCharacters(done.stdout) };
      });
      const beside: number[] = [];
      while (running > 0) await ask(beside);
      for (const { name, output } of await Promise.all(attacked)) {
        const connected = [...output.matchAll(/connected:\D*?(\d+)$/gm)].map(([, count]) =>
          Number(count),
        );
        expect(Math.max(...connected), name).toBeGreaterThan(connections / 2);
      }
      const figures = {
        aloneP99Ms: Math.round(percentile(alone, 0.99)),
        besideP99Ms: Math.round(percentile(beside, 0.99)),
        answers: beside.length,
      };
      console.log(`figure  slow clients  ${JSON.stringify(figures)}`);
      expect(beside.length).toBeGreaterThan(100);
    }, 120_000);
  },
);
