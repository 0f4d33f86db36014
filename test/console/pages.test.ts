import { expect, it } from "vitest";
import { routes } from "../../src/console/routes.ts";
import { startGateway } from "../e2e/gateway.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { openBrowser, openPage, settled, signInWithKey } from "./browser.ts";
import { inspect, sizes } from "./inspect.ts";

const gateway = await startGateway();
const nameOf = (path: string) => path.slice(1).replaceAll("/", "-") || "start";

await describeWith(
  "each page fits 360 and 1280 pixels, light and dark, without a serious fault of accessibility",
  () => debianTool("chromium"),
  async (executable) => {
    const open = openBrowser(executable).then((browser) => openPage(browser, gateway.url));

    it.each(routes.filter(({ section }) => section === "entry").map(({ path }) => path))(
      "%s",
      async (path) => {
        const watched = await open;
        await watched.page.goto(`${gateway.url}${path}`);
        await settled(watched.page);
        expect(await inspect(watched, nameOf(path))).toEqual([]);
      },
    );

    it("signs in, and asks something to look at", async () => {
      const { page } = await open;
      await page.setViewportSize(sizes.large);
      await signInWithKey(page, gateway.url, gateway.key);
      await page.goto(`${gateway.url}/playground`);
      await page.getByLabel("Beside it").selectOption("gpt-5");
      await page.getByLabel("Tag").fill("look");
      await page.getByRole("button", { name: "Send" }).click();
      await page.locator('[data-answer="done"]').nth(1).waitFor();
      await page.getByText("Why this model").click();
      await settled(page);
      expect(await inspect(await open, "playground-answers")).toEqual([]);
    });

    it.each(routes.filter(({ section }) => section !== "entry").map(({ path }) => path))(
      "%s",
      { timeout: 60_000 },
      async (path) => {
        const watched = await open;
        await watched.page.goto(`${gateway.url}${path}`);
        await settled(watched.page);
        expect(await inspect(watched, nameOf(path))).toEqual([]);
      },
    );

    it("the form of a key", async () => {
      const watched = await open;
      await watched.page.goto(`${gateway.url}/keys`);
      await settled(watched.page);
      await watched.page.getByRole("button", { name: "Create a key" }).click();
      await watched.page.getByText("Limits, models and quality").click();
      expect(await inspect(watched, "keys-create")).toEqual([]);
    });

    it("asks for nothing from another origin, and breaks no rule of its policy", async () => {
      expect((await open).troubles).toEqual([]);
    });
  },
);
