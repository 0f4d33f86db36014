import { appendFile, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { bearer } from "./doors.ts";
import { runOptamil, startGateway, temporaryFolder } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

// Several processes start one after the other.
vi.setConfig({ testTimeout: 120_000 });
const gateway = await startGateway();
const headers = bearer(gateway.key);
const body = { model: "auto", messages: [{ role: "user", content: "hello" }] };
for (let at = 0; at < 5; at++) {
  await sendHttp1(gateway.url, { path: "/v1/chat/completions", headers, body });
}
const usageAt = async (url: string) =>
  JSON.parse((await sendHttp1(url, { path: "/v1/usage", headers })).text);
const usage = await usageAt(gateway.url);
const folder = join(await temporaryFolder(), "backup");

it("a gateway that serves is named, and nothing is copied", async () => {
  const { code, stderr } = await runOptamil(["backup", folder], gateway.dataDirectory);
  expect(code).toBe(1);
  expect(stderr).toContain(`the gateway at ${gateway.url} already serves`);
  await expect(stat(folder)).rejects.toThrow("ENOENT");
});

it("a stopped one is copied, and restored with the same usage, keys and books", async () => {
  await gateway.stop();
  const copied = await runOptamil(["backup", folder, "--json"], gateway.dataDirectory);
  expect(copied.code, copied.stderr).toBe(0);
  const { files, from } = JSON.parse(copied.stdout);
  expect(from).toBe(gateway.dataDirectory);
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
  expect(manifest.files).toHaveLength(files);

  const target = join(await temporaryFolder(), "data");
  const restored = await runOptamil(["restore", folder, "--json"], target);
  expect(restored.code, restored.stderr).toBe(0);
  expect(JSON.parse(restored.stdout)).toMatchObject({ to: target, findings: [] });
  expect((await stat(join(target, "first-key"))).mode & 0o777).toBe(0o600);

  const again = await startGateway({ dataDirectory: target });
  expect(await usageAt(again.url)).toEqual(usage);
  await sendHttp1(again.url, { path: "/v1/chat/completions", headers, body });
  expect((await usageAt(again.url)).credits_used).toBe(usage.credits_used + 1);
  const audited = await runOptamil(["audit"], target);
  expect(audited).toMatchObject({ code: 0, stdout: "Nothing is lost and nothing counts twice.\n" });
  await again.stop();

  const refused = await runOptamil(["restore", folder], target);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain(`${target} is not empty`);
});

it("a copy that has changed is refused by the name of its file, and leaves nothing behind", async () => {
  const changed = join(folder, "usage", "data.mdb");
  await appendFile(changed, "x");
  const parent = await temporaryFolder();
  const { code, stderr } = await runOptamil(["restore", folder], join(parent, "data"));
  expect(code).toBe(1);
  expect(stderr).toBe(`optamil: ${changed} is not what was copied\n`);
  expect(await readdir(parent)).toEqual([]);
});

it.each([
  ["no folder", ["backup"], "name one folder"],
  ["a folder that is no backup", ["restore", "src"], "src holds no manifest.json"],
])("%s is told in a line", async (_what, words, message) => {
  const { code, stderr } = await runOptamil(words, join(await temporaryFolder(), "new"));
  expect(code).toBeGreaterThan(0);
  expect(stderr).toContain(message);
});
