import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { afterAll, expect, it } from "vitest";
import { bearer } from "../e2e/doors.ts";
import { startGateway } from "../e2e/gateway.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { openBrowser, openPage, settled, signInWithKey, signUp } from "./browser.ts";

const gateway = await startGateway();
const { url } = gateway;
const hostile = `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>`;

/** Fails where the text has become part of the page. */
async function staysText(page: Page, text = hostile): Promise<void> {
  await page.getByText(text).first().waitFor();
  expect(await page.locator('img[src="x"]').count()).toBe(0);
  expect(await page.title()).not.toContain("taken");
}

/** A page of another origin, which the browser takes for the same site: same address, other port. */
async function serveElsewhere(html: string): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/html" });
    response.end(html);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  afterAll(() => server.close());
  // A server that listens on a port has an address of this kind.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

await describeWith(
  "the console",
  () => debianTool("chromium"),
  (executable) => {
    it("shows what a model says, and names of keys and accounts, as text", async () => {
      const { page, troubles } = await openPage(await openBrowser(executable), url);
      const body = { name: hostile };
      const headers = bearer(gateway.key);
      expect((await sendHttp1(url, { path: "/v1/keys", body, headers })).status).toBe(200);
      const path = "/v1/admin/accounts";
      expect((await sendHttp1(url, { path, body, headers })).status).toBe(200);
      await signInWithKey(page, url, gateway.key);
      for (const place of ["/keys", "/admin/accounts", "/admin/changes"]) {
        await page.goto(`${url}${place}`);
        await settled(page);
        await staysText(page);
      }
      await page.goto(`${url}/playground`);
      await page.getByLabel("Prompt", { exact: true }).fill(hostile);
      await page.getByRole("button", { name: "Send" }).click();
      await page.locator('[data-answer="done"]').waitFor();
      await staysText(page);
      const keep = { path: "/v1/account/content", method: "PUT", headers, body: { keep: true } };
      expect((await sendHttp1(url, keep)).status).toBe(200);
      const chat = { model: "auto", messages: [{ role: "user", content: hostile }] };
      const asked = await sendHttp1(url, { path: "/v1/chat/completions", headers, body: chat });
      const id = asked.headers["x-request-id"] ?? "";
      const logged = `/v1/usage/requests/${encodeURIComponent(id)}`;
      await expect
        .poll(async () => (await sendHttp1(url, { path: logged, headers })).status, {
          timeout: 20_000,
        })
        .toBe(200);
      await page.goto(`${url}/requests?id=${encodeURIComponent(id)}`);
      await page.getByRole("button", { name: "Show it" }).click();
      // The prompt is shown as JSON, which escapes the quotes.
      await staysText(page, JSON.stringify(hostile).slice(1, -1));
      await page.getByRole("button", { name: "Delete it" }).click();
      await page.getByText("It is deleted.").waitFor();
      await page.goto(`${url}/docs?${encodeURIComponent(hostile)}`);
      await settled(page);
      expect(await page.title()).not.toContain("taken");
      expect(troubles).toEqual([]);
    });

    it("does not let a page of another origin act as who is signed in", async () => {
      const { page } = await openPage(await openBrowser(executable), url);
      await signUp(page, url, "victim@example.org");
      const evil = await serveElsewhere(`<form method="post" action="${url}/v1/keys"
        enctype="text/plain"><input name='{"name":"stolen","x":"' value='"}'></form>`);
      await page.goto(evil);
      const statuses = await page.evaluate(async (target) => {
        const ask = (path: string, type: string, text: string) =>
          fetch(`${target}${path}`, {
            method: "POST",
            credentials: "include",
            headers: { "content-type": type },
            body: text,
          }).then(
            ({ status }) => status,
            () => "unreadable" as const,
          );
        return [
          await ask("/optamil.v1.KeyService/CreateKey", "application/json", '{"name":"stolen"}'),
          await ask("/v1/keys", "text/plain", '{"name":"stolen"}'),
        ];
      }, url);
      expect(statuses).toEqual(["unreadable", "unreadable"]);
      await page.locator("form").evaluate((form: HTMLFormElement) => form.submit());
      await page.waitForURL(`${url}/v1/keys`);
      expect(await page.locator("body").innerText()).toMatch(/authentication_error|"code":4/);
      await page.goto(`${url}/keys`);
      await settled(page);
      expect(await page.getByRole("row", { name: "first key" }).count()).toBe(1);
      expect(await page.getByText("stolen").count()).toBe(0);
    });

    it("is shown in no frame of another page", async () => {
      const { page } = await openPage(await openBrowser(executable), url);
      const framed = ["/", "/keys", "/docs"].map((path) => `<iframe src="${url}${path}"></iframe>`);
      await page.goto(await serveElsewhere(framed.join("")));
      const frames = page.frames().slice(1);
      expect(frames).toHaveLength(3);
      for (const frame of frames) expect(frame.url()).toMatch(/^chrome-error:/);
    });

    it("sends a reader who signs in to a page of its own only", async () => {
      const { page } = await openPage(await openBrowser(executable), url);
      for (const target of ["//evil.example/", "/\\evil.example/", "https://evil.example/"]) {
        await page.goto(`${url}/sign-in?to=${encodeURIComponent(target)}`);
        await page.getByRole("tab", { name: "With an API key" }).click();
        await page.getByLabel("API key", { exact: true }).fill(gateway.key);
        await page.getByRole("button", { name: "Sign in with the key" }).click();
        await page.getByRole("heading", { name: "Start" }).waitFor();
        expect(page.url()).toBe(`${url}/`);
        await page.getByRole("button", { name: "Sign out" }).click();
      }
    });

    it("keeps a key that signed in within its tab", async () => {
      const browser = await openBrowser(executable);
      const { page } = await openPage(browser, url);
      await signInWithKey(page, url, gateway.key);
      const other = await page.context().newPage();
      await other.goto(url);
      await other.waitForURL("**/sign-in");
      expect(await page.context().cookies()).toEqual([]);
      const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }));
      expect(kept).not.toContain("sk-optamil-");
    });
  },
);
