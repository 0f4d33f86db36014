/** A real browser in front of a real gateway, as the tests of the console use them. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, expect } from "vitest";
import { projectRoot } from "../setup/runtime.ts";

/** Where the screenshots are put, for people to look at. */
const screenshotFolder = join(projectRoot, ".cache/console");

/** Nothing but the gateway is ever contacted. */
const chromiumFlags = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--no-first-run",
  "--disable-dev-shm-usage",
];

/** A browser; it ends with the test file. */
export async function openBrowser(executablePath: string): Promise<Browser> {
  const browser = await chromium.launch({ executablePath, args: chromiumFlags });
  afterAll(() => browser.close());
  return browser;
}

/** A page, and what went wrong on it. */
export type WatchedPage = {
  readonly page: Page;
  /** Errors of scripts, breaches of the policy and requests to other origins; expected to stay empty. */
  readonly troubles: string[];
};

/** A page of a browser that shares nothing with others. */
export async function openPage(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const troubles: string[] = [];
  page.on("pageerror", ({ message }) => troubles.push(message));
  page.on("console", (message) => {
    if (/Content Security Policy|Trusted/i.test(message.text())) troubles.push(message.text());
  });
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !url.startsWith("blob:")) troubles.push(`asked ${url}`);
  });
  return { page, troubles };
}

/** Signs up on the page, and gives the first key. */
export async function signUp(page: Page, origin: string, email: string): Promise<string> {
  await page.goto(`${origin}/sign-up`);
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill("correct horse battery");
  await page.getByRole("button", { name: "Sign up" }).click();
  const key = await readSecret(page);
  await page.getByRole("button", { name: "I have kept it" }).click();
  await page.getByRole("heading", { name: "Start" }).waitFor();
  return key;
}

/** Signs in by a key. */
export async function signInWithKey(page: Page, origin: string, key: string): Promise<void> {
  await page.goto(`${origin}/sign-in`);
  await page.getByRole("tab", { name: "With an API key" }).click();
  await page.getByLabel("API key", { exact: true }).fill(key);
  await page.getByRole("button", { name: "Sign in with the key" }).click();
  await page.getByRole("heading", { name: "Start" }).waitFor();
}

/** The key that is shown this once. */
export async function readSecret(page: Page): Promise<string> {
  const secret = (await page.locator("[data-secret]").innerText()).trim();
  expect(secret).toMatch(/^sk-optamil-/);
  return secret;
}

/** Waits until the page shows what it loads. */
export async function settled(page: Page): Promise<void> {
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.locator(".skeleton").first().waitFor({ state: "detached" });
  await page.waitForFunction(() => document.querySelector(".skeleton") === null);
}

/** Puts a picture of the page where people can look at it. */
export async function takeScreenshot(page: Page, name: string): Promise<void> {
  await mkdir(screenshotFolder, { recursive: true });
  // The docs are some screens long: their beginning shows how they look.
  const fullPage = !name.startsWith("docs");
  await page.screenshot({ path: join(screenshotFolder, `${name}.png`), fullPage });
}
