import { expect, it } from "vitest";
import { examples } from "../../src/console/docs/examples.ts";
import { errorTable } from "../../src/platform/errors.ts";
import { startGateway } from "../e2e/gateway.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { openBrowser, openPage, settled } from "./browser.ts";

const gateway = await startGateway();

await describeWith(
  "the docs",
  () => debianTool("chromium"),
  (executable) => {
    it("run every example as written, with the reader's key and base URL", {
      timeout: 90_000,
    }, async () => {
      const { page, troubles } = await openPage(await openBrowser(executable), gateway.url);
      await page.goto(`${gateway.url}/docs`);
      await page.getByLabel("Your API key").fill(gateway.key);
      const places = page.locator("[data-example]");
      expect(await places.count()).toBe(Object.keys(examples).length);
      for (const { id, path } of Object.values(examples)) {
        const place = page.locator(`[data-example="${id}"]`);
        const code = await place.locator("code").first().innerText();
        expect(code).toContain(`${gateway.url}${path}`);
        expect(code).toContain(gateway.key);
        await place.getByRole("button", { name: "Run" }).click();
        const result = place.locator("[data-status]");
        await result.waitFor();
        expect(await result.getAttribute("data-status"), id).toBe("200");
      }
      const bodyOf = (id: string) =>
        page.locator(`[data-example="${id}"] [data-status] code`).last().innerText();
      expect(JSON.parse(await bodyOf("first"))).toMatchObject({ object: "chat.completion" });
      expect(await bodyOf("streaming")).toMatch(/^data: \{[\s\S]+data: \[DONE\]\s*$/);
      const { choices } = JSON.parse(await bodyOf("json"));
      expect(JSON.parse(choices[0].message.content)).toBeTypeOf("object");
      expect(JSON.parse(await bodyOf("named"))).toMatchObject({ model: "claude-sonnet-4" });
      expect(JSON.parse(await bodyOf("responses"))).toMatchObject({ object: "response" });
      expect(JSON.parse(await bodyOf("messages"))).toMatchObject({ type: "message" });
      expect(JSON.parse(await bodyOf("embeddings")).data[0].embedding).toHaveLength(1536);
      expect(JSON.parse(await bodyOf("feedback"))).toMatchObject({ object: "feedback" });
      expect(JSON.parse(await bodyOf("models")).data[0].id).toBe("auto");
      const chats = Object.values(examples).filter(({ method }) => method === "POST").length;
      expect(JSON.parse(await bodyOf("usage"))).toMatchObject({ credits_used: chats });
      expect(troubles).toEqual([]);
    });

    it("say what a refusal is, for every row of the error table", async () => {
      const { page } = await openPage(await openBrowser(executable), gateway.url);
      await page.goto(`${gateway.url}/docs`);
      await settled(page);
      const rows = page.locator('section[aria-label="Errors"] tbody tr');
      const texts = await rows.allInnerTexts();
      expect(texts).toHaveLength(Object.keys(errorTable).length);
      for (const [index, { status, type }] of Object.values(errorTable).entries()) {
        expect(texts[index]).toContain(String(status));
        expect(texts[index]).toContain(type);
        expect(texts[index]?.split("\t").at(-1)?.trim().length, texts[index]).toBeGreaterThan(10);
      }
      const wrong = page.locator('[data-example="usage"]');
      await page.getByLabel("Your API key").fill("sk-optamil-wrong");
      await wrong.getByRole("button", { name: "Run" }).click();
      await wrong.locator('[data-status="401"]').waitFor();
    });

    it("have the REST routes, the RPC services with their comments, and the router's report", async () => {
      const { page, troubles } = await openPage(await openBrowser(executable), gateway.url);
      await page.goto(`${gateway.url}/docs/rest`);
      await page.getByText("/v1/chat/completions").click();
      await page.getByRole("table", { name: "Body CreateChatCompletionRequest" }).waitFor();
      await page.goto(`${gateway.url}/docs/grpc`);
      await page.getByRole("heading", { name: "optamil.v1.ChatService" }).waitFor();
      await page.getByText("Answers in chunks as they come.").waitFor();
      await page.getByRole("link", { name: "ExplainRouteResponse" }).click();
      await page.getByText("Models that would be tried, best first").waitFor();
      await page.goto(`${gateway.url}/docs/router`);
      await page.getByRole("heading", { name: "How good it is" }).waitFor();
      expect(troubles).toEqual([]);
    });
  },
);
