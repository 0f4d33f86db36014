import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { startGateway } from "../e2e/gateway.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { openBrowser, openPage, readSecret, settled, signInWithKey, signUp } from "./browser.ts";

const gateway = await startGateway();
const { url } = gateway;

const chromium = () => debianTool("chromium");

await describeWith("a person who is new", chromium, (executable) => {
  it("signs up, makes a key, asks, sees what it cost, revokes the key, and is refused", {
    timeout: 120_000,
  }, async () => {
    const { page, troubles } = await openPage(await openBrowser(executable), url);
    await page.goto(url);
    await page.waitForURL("**/sign-in");
    await signUp(page, url, "ada@example.org");

    await page.getByRole("link", { name: "Keys", exact: true }).click();
    await page.getByRole("button", { name: "Create a key" }).click();
    await page.getByLabel("Name").fill("laptop");
    await page.getByLabel("Budget", { exact: true }).fill("12.5");
    await page.getByRole("button", { name: "Create", exact: true }).click();
    const key = await readSecret(page);
    await page.getByRole("button", { name: "I have kept it" }).click();
    const row = page.getByRole("row", { name: "laptop" });
    expect(await row.innerText()).toContain("12.5 credits a period");

    const used = async () => {
      await page.getByRole("link", { name: "Start", exact: true }).click();
      return Number(await page.locator("[data-credits-used]").innerText());
    };
    const before = await used();
    await page.getByRole("link", { name: "Playground", exact: true }).click();
    await page.getByLabel("API key").fill(key);
    await page.getByLabel("Beside it").selectOption("gpt-5");
    await page.getByLabel("Prompt", { exact: true }).fill("What is a credit?");
    await page.getByRole("button", { name: "Send" }).click();
    await page.locator('[data-answer="done"]').nth(1).waitFor();
    const answers = page.locator("[data-answer]");
    expect(await answers.first().innerText()).toContain('You wrote: "What is a credit?"');
    expect(await page.locator("[data-answer-model]").allInnerTexts()).toEqual([
      expect.stringMatching(/\w/),
      "gpt-5",
    ]);
    await page.getByText("Why this model").click();
    expect(await answers.first().innerText()).toMatch(/Scored by\s+neural/);
    const shown = await page.locator("[data-answer-credits]").allInnerTexts();
    expect(shown).toEqual(["1", "1"]);
    const charged = shown.reduce((sum, credits) => sum + Number(credits), 0);
    expect(await used()).toBe(before + charged);

    await page.getByRole("link", { name: "Keys", exact: true }).click();
    await page.getByRole("button", { name: "Revoke laptop" }).click();
    await page.getByRole("button", { name: "Revoke", exact: true }).click();
    await page.getByRole("row", { name: "laptop" }).getByText("revoked").waitFor();
    await page.getByRole("link", { name: "Playground", exact: true }).click();
    await page.getByLabel("API key").fill(key);
    await page.getByRole("button", { name: "Send" }).click();
    await page.locator('[data-answer="failed"]').waitFor();
    expect(await page.getByRole("alert").innerText()).toMatch(/key/i);
    expect(await used()).toBe(before + charged);
    expect(troubles).toEqual([]);
  });

  it("rotates a key, bounds a tag, finds the request in the log, saves it, and signs out", {
    timeout: 120_000,
  }, async () => {
    const { page, troubles } = await openPage(await openBrowser(executable), url);
    await signUp(page, url, "grace@example.org");
    await page.getByRole("link", { name: "Keys", exact: true }).click();
    await page.getByRole("button", { name: "Rotate first key" }).click();
    await page.getByRole("button", { name: "Rotate", exact: true }).click();
    await readSecret(page);
    await page.getByRole("button", { name: "I have kept it" }).click();
    await page.getByRole("row", { name: "first key" }).nth(1).waitFor();

    await page.getByRole("link", { name: "Limits and budgets" }).click();
    await page.getByRole("button", { name: "Set a budget" }).click();
    await page.getByLabel("Tag").fill("batch");
    await page.getByLabel("Credits in a billing period").fill("3");
    await page.getByRole("button", { name: "Set it" }).click();
    await page.getByRole("cell", { name: "tag batch", exact: true }).waitFor();

    await page.getByRole("link", { name: "Playground", exact: true }).click();
    await page.getByLabel("Tag").fill("batch");
    await page.getByRole("button", { name: "Send" }).click();
    await page.locator('[data-answer="done"]').waitFor();
    await page.getByRole("link", { name: "Limits and budgets" }).click();
    await page.getByText("1 (33.3 %)").waitFor();

    await page.getByRole("link", { name: "Requests" }).click();
    const logged = page.getByRole("row", { name: "batch" });
    // The warehouse has a request about a second after its end.
    await expect
      .poll(
        async () => {
          await page.getByRole("button", { name: "Look again" }).click();
          await settled(page);
          return logged.count();
        },
        { timeout: 20_000 },
      )
      .toBe(1);
    expect(await logged.innerText()).toMatch(/streamed/);
    await logged.getByRole("link").click();
    await page.getByRole("heading", { name: "Timeline" }).waitFor();
    await page.getByRole("heading", { name: "Why this model" }).waitFor();

    await page.getByRole("link", { name: "Billing" }).click();
    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save as CSV" }).click();
    const [head, line, end] = (await readFile(await (await saved).path(), "utf8")).split("\r\n");
    expect(head).toMatch(/^id,request_id,kind,outcome,.*,credits$/);
    expect(line).toMatch(/,request,stream_ok,.*,batch,auto,.*,1$/);
    expect(end).toBe("");

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("**/sign-in");
    await page.goto(`${url}/keys`);
    await page.waitForURL("**/sign-in?to=%2Fkeys");
    expect(troubles).toEqual([]);
  });
});

await describeWith("an operator", chromium, (executable) => {
  it("opens an account, grants credits, ends its key, reads who did it, and audits the books", {
    timeout: 120_000,
  }, async () => {
    const { page, troubles } = await openPage(await openBrowser(executable), url);
    await signInWithKey(page, url, gateway.key);
    await page.getByRole("link", { name: "Accounts" }).click();
    await page.getByRole("button", { name: "Create an account" }).click();
    await page.getByLabel("Name").fill("Team Blue");
    await page.getByLabel("Plan").selectOption("starter");
    await page.getByRole("button", { name: "Create", exact: true }).click();
    await readSecret(page);
    await page.getByRole("button", { name: "I have kept it" }).click();
    await page.getByRole("link", { name: "Team Blue" }).click();

    await page.getByLabel("Credits").fill("42.5");
    await page.getByLabel("Why").fill("a gift");
    await page.getByRole("button", { name: "Grant" }).click();
    await page.getByText("42.5 credits in all").waitFor();
    await page.getByLabel("Plan").selectOption("pro");
    await page.getByRole("button", { name: "Put it on this plan" }).click();
    await page.getByText("It is on plan pro now.").waitFor();
    await page.getByRole("button", { name: "Revoke first key" }).click();
    await page.getByRole("button", { name: "Revoke", exact: true }).click();
    await page.getByText("revoked").waitFor();

    await page.getByRole("link", { name: "Its audit log" }).click();
    await page.getByText("credits.granted").waitFor();
    const actions = await page.locator("td .tag").allInnerTexts();
    expect(actions).toEqual([
      "key.revoked",
      "account.plan_changed",
      "credits.granted",
      "key.created",
      "account.created",
    ]);
    await page.getByRole("link", { name: "Plans" }).click();
    await page.getByRole("row", { name: "starter" }).getByText("10,000").waitFor();
    await page.getByRole("link", { name: "System" }).click();
    const parts = page.getByRole("region", { name: "Parts and their states" });
    for (const part of ["warehouse", "usage log", "data folder"]) {
      await parts.getByRole("row", { name: `${part} ok` }).waitFor();
    }
    await page.getByRole("button", { name: "Audit them" }).click();
    await page.getByText("The books are right").waitFor();
    expect(troubles).toEqual([]);
  });
});
