import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { encodeNetwork, openNetwork } from "../../src/router/network.ts";
import { readManifest } from "../../src/router/training/outcomes.ts";
import { prompts } from "./prompts.ts";

const network = openNetwork();
const whole = network.header;
const table = new Int8Array(whole.scales.length << 15);
const goldenFile = new URL("./golden.json", import.meta.url);

/** What the network says of every prompt, to six digits. */
function scores(): number[][] {
  return prompts.map((prompt) => {
    const { need, chances, outputTokens } = network.assess(prompt);
    return [need, ...chances, outputTokens].map((value) => Number(value.toPrecision(6)));
  });
}

describe("the network", () => {
  it("says of 200 prompts what it said when it was trained", () => {
    expect(prompts).toHaveLength(200);
    expect(scores()).toEqual(JSON.parse(readFileSync(goldenFile, "utf8")));
  });

  it("says the same whatever it was asked before", () => {
    const first = network.assess(prompts[0] ?? "");
    network.assess("something else entirely ".repeat(500));
    expect(network.assess(prompts[0] ?? "")).toEqual(first);
  });

  it("gives chances of 0 to 1 that never fall with the tier, and a length, for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 5_000 }), (text) => {
        const { need, chances, outputTokens } = network.assess(text);
        expect(Number.isFinite(need)).toBe(true);
        expect(chances).toHaveLength(5);
        for (const [tier, chance] of chances.entries()) {
          expect(chance).toBeGreaterThanOrEqual(chances[tier - 1] ?? 0);
          expect(chance).toBeLessThanOrEqual(1);
        }
        expect(outputTokens).toBeGreaterThan(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it("has a price of cost that never rises with quality, and is 0 at 1", () => {
    const prices = Array.from({ length: 101 }, (_, step) => network.lambdaOf(step / 100));
    expect(prices).toEqual(prices.toSorted((one, other) => other - one));
    expect(prices.at(-1)).toBe(0);
    expect(network.lambdaOf(-1)).toBe(prices[0]);
  });

  it("was trained from the manifest that is here, and takes less than 1 MB", () => {
    expect(network.header.manifest).toBe(readManifest().sha256);
    const bytes = readFileSync(new URL("../../src/router/weights.bin", import.meta.url));
    expect(bytes.byteLength).toBeLessThan(1_000_000);
  });

  it.each([
    ["cut off", () => encodeNetwork(whole, new Int8Array(4)), "cut off"],
    ["without tiers", () => encodeNetwork({ ...whole, tiers: [] }, table), "not whole"],
    ["without prices", () => encodeNetwork({ ...whole, lambdas: [] }, table), "not whole"],
    ["of too few axes", () => encodeNetwork({ ...whole, biases: [0] }, table), "not whole"],
    ["no object", () => encodeNetwork(JSON.parse("null"), table), "TypeError"],
  ])("refuses weights that are %s", (_what, encode, reason) => {
    const folder = mkdtempSync(join(tmpdir(), "optamil-weights-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "weights.bin");
    writeFileSync(file, encode());
    expect(() => openNetwork(file)).toThrow(reason);
  });

  it("refuses a file that is none of its", () => {
    const text = new URL("./prompts.ts", import.meta.url);
    expect(() => openNetwork(text)).toThrow("has no weights");
    const { header } = network;
    expect(network.id).toMatch(/^[0-9a-f]{12}$/);
    expect(encodeNetwork(header, new Int8Array(4)).byteLength).toBeGreaterThan(1_000);
  });
});
