/** Looks at a page as people of all kinds do: small and large windows, light and dark, and by axe. */
import axe from "axe-core";
import type { Page } from "playwright-core";
import { takeScreenshot, type WatchedPage } from "./browser.ts";

/** The windows in which each page is looked at. */
export const sizes = { small: { width: 360, height: 740 }, large: { width: 1280, height: 860 } };

/** What axe finds that is serious or critical: rule and element. */
async function seriousViolations(page: Page): Promise<string[]> {
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`),
    );
}

/** Looks at the page at each size in each appearance; what is wrong with it. */
export async function inspect({ page }: WatchedPage, name: string): Promise<string[]> {
  const found: string[] = [];
  await page.evaluate(axe.source);
  for (const [sizeName, size] of Object.entries(sizes)) {
    await page.setViewportSize(size);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const where = `${name}-${sizeName}-${colorScheme}`;
      found.push(...(await seriousViolations(page)).map((one) => `${where} ${one}`));
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      if (overflow > 0) found.push(`${where} is ${overflow} pixels wider than its window`);
      await takeScreenshot(page, where);
    }
  }
  return found;
}

declare global {
  interface Window {
    /** What `axe.source` leaves. */
    axe: typeof axe;
  }
}
