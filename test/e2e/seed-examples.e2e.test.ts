import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { type RunOptions, run } from "../setup/process.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { projectRoot } from "../setup/runtime.ts";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";
import { readEvents } from "./sse.ts";

const gateway = await startGateway();
const catalogue = createCatalogue();
const names = [...catalogue.models, ...catalogue.embeddingModels].map(({ name }) => name);

/** A script of test/e2e/seed: the public documentation's, with only base URL and key changed. */
async function seedScript(name: string): Promise<string> {
  const script = await readFile(new URL(`seed/${name}`, import.meta.url), "utf8");
  return script
    .replaceAll("https://api.optamil.com/v1", gateway.baseUrl)
    .replaceAll("YOUR_API_KEY", gateway.key);
}

/** What a script prints; it must succeed. */
async function outputOf(
  name: string,
  command: string,
  args: readonly string[],
  env: RunOptions["env"] = {},
): Promise<string> {
  const result = await run(command, args, {
    input: await seedScript(name),
    cwd: projectRoot,
    env: { NO_PROXY: "127.0.0.1", ...env },
  });
  expect(result, result.stderr).toMatchObject({ code: 0 });
  return result.stdout;
}

/** The answer's text to the same request, asked without any SDK. */
async function plainAnswer(content: string): Promise<string> {
  const { text } = await sendHttp1(gateway.url, {
    path: "/v1/chat/completions",
    headers: bearer(gateway.key),
    body: { model: "auto", messages: [{ role: "user", content }] },
  });
  const completion: OpenAI.ChatCompletion = JSON.parse(text);
  return completion.choices[0]?.message.content ?? "";
}

const question = "Explain quantum computing in one sentence.";
const haiku = "Write a haiku about AI.";

await describeWith(
  "the seed's examples in curl",
  () => debianTool("curl"),
  (curl) => {
    const curlOutput = (name: string) =>
      outputOf(`${name}.sh`, "sh", ["-s"], {
        PATH: `${dirname(curl)}:${process.env["PATH"] ?? ""}`,
      });
    const completion = async (name: string): Promise<OpenAI.ChatCompletion> =>
      JSON.parse(await curlOutput(name));

    it("chat: a model of the catalogue answers for auto and says that it is the demo", async () => {
      const answer = await completion("chat");
      expect(answer).toEqual({
        id: expect.stringMatching(/^chatcmpl-\w+/),
        object: "chat.completion",
        created: expect.any(Number),
        model: expect.any(String),
        choices: [
          expect.objectContaining({
            index: 0,
            message: expect.objectContaining({
              role: "assistant",
              content: expect.stringMatching(/demo/i),
            }),
            finish_reason: "stop",
          }),
        ],
        usage: expect.objectContaining({
          prompt_tokens: expect.any(Number),
          completion_tokens: expect.any(Number),
          total_tokens: expect.any(Number),
        }),
      });
      expect(catalogue.byName(answer.model)).toBeDefined();
      const { prompt_tokens, completion_tokens, total_tokens } = answer.usage ?? {};
      expect(total_tokens).toBe((prompt_tokens ?? 0) + (completion_tokens ?? 0));
    });

    it("streaming: the deltas make up the text of the unary answer", async () => {
      const events = readEvents(await curlOutput("streaming"));
      expect(events.pop()).toBe("[DONE]");
      const deltas = events.map(
        (event): string => JSON.parse(event).choices[0].delta.content ?? "",
      );
      expect(deltas.length).toBeGreaterThan(3);
      expect(deltas.join("")).toBe(await plainAnswer(haiku));
    });

    it("JSON mode: the content is a JSON object", async () => {
      const { choices } = await completion("json-mode");
      expect(JSON.parse(choices[0]?.message.content ?? "")).toEqual(expect.any(Object));
    });

    it("direct model: the model asked for answers", async () => {
      const { model, choices } = await completion("direct-model");
      expect(model).toBe("claude-sonnet-4");
      expect(choices[0]?.message.content).toMatch(/demo/i);
    });

    it("models: the list is the catalogue, and begins with auto as the seed shows it", async () => {
      const { object, data } = JSON.parse(await curlOutput("models"));
      expect(object).toBe("list");
      const seedKeys = ["id", "object", "owned_by", "description"];
      const entries = Object.entries(data[0]).filter(([key]) => seedKeys.includes(key));
      expect(JSON.stringify(Object.fromEntries(entries))).toBe(
        '{"id":"auto","object":"model","owned_by":"optamil",' +
          '"description":"Neural Router - automatic model selection"}',
      );
      const deepseek = data.find(({ id }: { id: string }) => id === "deepseek-v3");
      expect(deepseek).toMatchObject({ object: "model", owned_by: "deepseek" });
      expect(data.length).toBe(1 + names.length);
      expect(data.length).toBeGreaterThan(55);
    });
  },
);

/** The examples in a language: each prints the answer's text. */
function describeExamples(outputOfExample: (name: string) => Promise<string>): void {
  it("chat: prints the answer, which says that it is the demo's", async () => {
    const printed = await outputOfExample("chat");
    expect(printed).toBe(`${await plainAnswer(question)}\n`);
    expect(printed).toMatch(/demo/i);
  });

  it("streaming: prints the text of the unary answer piece by piece", async () => {
    expect(await outputOfExample("streaming")).toBe(await plainAnswer(haiku));
  });

  it("JSON mode: prints a JSON object", async () => {
    expect(JSON.parse(await outputOfExample("json-mode"))).toEqual(expect.any(Object));
  });

  it("direct model: prints the answer of the model asked for", async () => {
    expect(await outputOfExample("direct-model")).toMatch(/demo/i);
  });

  it("models: lists auto and the models of the catalogue", async () => {
    const ids = (await outputOfExample("models")).trim().split("\n");
    expect(ids).toEqual(["auto", ...names]);
  });
}

await describeWith(
  "the seed's examples in Python",
  () => pythonPackages("openai"),
  (python) => {
    describeExamples((name) => outputOf(`${name}.py`, python.command, ["-"], { ...python.env }));
  },
);

describe("the seed's examples in JavaScript", () => {
  // Read from stdin in the project's folder, where `openai` is found.
  const args = ["--input-type=module", "-"];
  describeExamples((name) => outputOf(`${name}.mjs`, process.execPath, args));
});
