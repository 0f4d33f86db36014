/** LiteLLM's proxy as an upstream that others wrote: our adapters speak to it as to any provider. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { askWarehouse } from "../chaos/books.ts";
import { chunk, event, openUpstream } from "../fakes/openai-upstream.ts";
import { describeWith } from "../setup/describe-with.ts";
import { findPorts } from "../setup/find-ports.ts";
import { type RunningProcess, startProcess } from "../setup/process.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { bearer, doors } from "./doors.ts";
import { type Gateway, startGateway, temporaryFolder } from "./gateway.ts";
import { fromRow, refusalOf, rows } from "./refusals.ts";

const text = "Hello from LiteLLM.";
const kinds = { openai: "/v1", anthropic: "/v1", gemini: "/v1beta" };
const names = Object.keys(kinds);
const apiKey = "sk-lab";

await describeWith(
  "LiteLLM's proxy",
  () => pythonPackages("litellm"),
  ({ command, env }) => {
    let proxy: RunningProcess;
    let gateway: Gateway;
    /** What LiteLLM turns into a stream of Messages: its own mock does not stream those. */
    let scripted: Awaited<ReturnType<typeof openUpstream>>;

    beforeAll(async () => {
      scripted = await openUpstream((response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        const pieces = ["Hello ", "from ", "LiteLLM."].map((content) => chunk({ content }));
        const events = [chunk({ role: "assistant", content: "" }), ...pieces, chunk({}, "stop")];
        response.end(`${events.map(event).join("")}data: [DONE]\n\n`);
      });
      const [[port = 0], folder] = await Promise.all([findPorts(1), temporaryFolder()]);
      const openai = { model: "openai/gpt-4.1", api_key: "none" };
      const config = {
        model_list: [
          { model_name: "mock", litellm_params: { ...openai, mock_response: text } },
          {
            model_name: "lab",
            litellm_params: { model: "hosted_vllm/lab", api_base: scripted.baseUrl },
          },
          {
            model_name: "limited",
            litellm_params: { ...openai, mock_response: "litellm.RateLimitError" },
          },
        ],
        general_settings: { master_key: apiKey },
      };
      const file = join(folder, "litellm.json");
      // JSON is YAML.
      await writeFile(file, JSON.stringify(config));
      const words = ["-m", "litellm.proxy.proxy_cli", "--config", file, "--host", "127.0.0.1"];
      proxy = await startProcess(command, [...words, "--port", String(port)], {
        env: { ...env, LITELLM_LOCAL_MODEL_COST_MAP: "True" },
      });
      const url = `http://127.0.0.1:${port}`;
      await vi.waitFor(
        async () => expect((await fetch(`${url}/health/liveliness`)).ok).toBe(true),
        {
          ...{ timeout: 120_000, interval: 250 },
        },
      );
      gateway = await startGateway({
        env: { LITELLM_KEY: apiKey },
        config: {
          models: names.flatMap((name) =>
            ["mock", "lab", "limited"].map((model) => ({ name: `${name}-${model}`, tier: "mid" })),
          ),
          providers: Object.entries(kinds).map(([kind, path]) => ({
            ...{
              name: `litellm-${kind}`,
              kind,
              baseUrl: `${url}${path}`,
              apiKeyEnv: "LITELLM_KEY",
            },
            models: ["mock", "lab", "limited"].map((model) => ({
              ...{ name: `${kind}-${model}`, upstreamName: model },
            })),
          })),
        },
      });
    }, 180_000);
    afterAll(async () => {
      await proxy.kill();
      await scripted.close();
    });

    const ask = (model: string) => ({ model, messages: [{ role: "user", content: "Say hello." }] });
    const target = () => ({ url: gateway.url, headers: bearer(gateway.key) });
    const [rest, , , , grpc] = doors;

    describe.each([rest, grpc].flatMap((door) => door ?? []))("through $name", (door) => {
      it.each(names)("answers over its %s route", async (name) => {
        const { body, headers } = await door.chat(target(), ask(`${name}-mock`));
        expect(body.choices[0]).toMatchObject({
          finish_reason: "stop",
          message: { content: text },
        });
        expect(body.usage?.total_tokens).toBeGreaterThan(0);
        expect(headers["x-optamil-provider"]).toBe(`litellm-${name}`);
      });

      it.each(names)("streams over its %s route", async (name) => {
        const model = name === "anthropic" ? "lab" : "mock";
        const { body } = await door.stream(target(), ask(`${name}-${model}`));
        const said = body.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
        expect(said).toBe(text);
        expect(body.at(-1)?.choices[0]?.finish_reason).toBe("stop");
      });
    });

    // Its mock of generateContent knows no errors.
    it.each(["openai", "anthropic"])(
      "is told as busy where its %s route says 429",
      async (name) => {
        const refusal = await refusalOf(
          rest?.chat(target(), ask(`${name}-limited`)) ?? Promise.resolve(),
        );
        expect(refusal).toMatchObject(fromRow(rows.down, "rest"));
      },
    );

    it("leaves one event for each of these requests, charged where they were answered", async () => {
      const select = `SELECT outcome, toInt64(count()) AS requests,
        toInt64(sum(credits_micro)) / 1000000 AS credits
        FROM usage_events FINAL GROUP BY outcome ORDER BY outcome`;
      await expect
        .poll(() => askWarehouse(gateway, select), { timeout: 10_000 })
        .toEqual([
          { outcome: "ok", requests: 6, credits: 6 },
          { outcome: "stream_ok", requests: 6, credits: 6 },
          { outcome: "upstream_error", requests: 2, credits: 0 },
        ]);
    });
  },
);
