/** What the process runs with when the file and the environment say little. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { loadSettings } from "../../src/platform/settings.ts";

function settingsOf(config: object, environment: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "optamil-settings-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "optamil.json");
  writeFileSync(file, JSON.stringify(config));
  return loadSettings({ ...environment, OPTAMIL_CONFIG: file });
}

it.each<[string, object, Record<string, string>, string]>([
  ["open on the default host", {}, {}, "open"],
  ["open on localhost", { host: "localhost" }, {}, "open"],
  ["open on IPv6's loopback", { host: "::1" }, {}, "open"],
  ["open on any address of 127/8", { host: "127.1.2.3" }, {}, "open"],
  ["closed where everybody can come", { host: "0.0.0.0" }, {}, "closed"],
  ["closed where the environment opens the host", {}, { HOST: "0.0.0.0" }, "closed"],
  ["closed on a name that only looks local", { host: "127.0.0.1.example.org" }, {}, "closed"],
  ["open where the file says so", { host: "0.0.0.0", signUp: "open" }, {}, "open"],
  ["closed where the file says so", { signUp: "closed" }, {}, "closed"],
])("sign-up is %s", (_name, config, environment, expected) => {
  expect(settingsOf(config, environment).signUp).toBe(expected);
});

it("durability is fsync unless the file says otherwise", () => {
  expect(settingsOf({}).durability).toBe("fsync");
  expect(settingsOf({ durability: "fsync" }).durability).toBe("fsync");
});

it.each(["write", "quorum"])("durability %s is refused in a line that says so", (durability) => {
  expect(() => settingsOf({ durability })).toThrow(
    `durability: '${durability}' is not there yet; the only one is 'fsync'`,
  );
});

it.each([{ durability: "maybe" }, { signUp: "sometimes" }])(
  "an unknown word is refused",
  (config) => {
    expect(() => settingsOf(config)).toThrow("Invalid '");
  },
);
