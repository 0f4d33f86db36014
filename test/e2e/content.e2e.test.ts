/** Prompts and answers are kept for accounts that switched it on, and of no others anywhere. */
import { describe, expect, it } from "vitest";
import { bearer, doors, type Target } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { everywhere } from "./gateway-fleet.ts";
import { hitsIn, hitsOnDisk, logLines } from "./leaks.ts";
import { sendHttp1 } from "./rest-client.ts";

const gateway = await startGateway();
const admin = bearer(gateway.key);
const nobody = "01900000-0000-7000-8000-000000000000";

async function call(method: string, path: string, headers: Target["headers"], body?: object) {
  const { status, text } = await sendHttp1(gateway.url, { method, path, headers, body });
  return { status, body: JSON.parse(text) };
}

async function openAccount(): Promise<Target & { readonly id: string }> {
  const made = await call("POST", "/v1/admin/accounts", admin, { name: "test", plan: "pro" });
  return { url: gateway.url, headers: bearer(made.body.key), id: made.body.account.id };
}

/** Switches it. */
async function keepIt(of: Target, keeping: object) {
  const answer = await call("PUT", "/v1/account/content", of.headers, keeping);
  await everywhere(() => call("GET", "/v1/account", of.headers));
  return answer;
}
const contentOf = (of: Target, requestId: string | undefined) =>
  call("GET", `/v1/account/content/${requestId}`, of.headers);
const statusOf = async (of: Target, requestId: string | undefined) =>
  (await contentOf(of, requestId)).status;

const ask = (content: string) => ({ model: "auto", messages: [{ role: "user", content }] });

/** Asks once whole and once streamed; the ids of both. */
async function askTwice(door: (typeof doors)[number], target: Target, text: string) {
  const whole = await door.chat(target, ask(text));
  const streamed = await door.stream(target, ask(text));
  return [whole.headers["x-request-id"], streamed.headers["x-request-id"]];
}

const canaries = new Map<string, string>();

describe.each(doors)("what is said through $name", (door) => {
  it("is not kept unless the account says so, then kept as text, and deleted when it says so", async () => {
    const [off, on] = [await openAccount(), await openAccount()];
    const secret = `canary-${off.id.slice(-12)}-${door.name.replaceAll(/\W/g, "")}`;
    canaries.set(door.name, secret);
    for (const id of await askTwice(door, off, secret)) {
      expect(await contentOf(off, id)).toMatchObject({ status: 404 });
    }
    expect((await keepIt(on, { keep: true })).body.account).toMatchObject({ content_days: 7 });
    const text = `kept-${on.id.slice(-12)} <script>alert(1)</script>`;
    const [whole = "", streamed = ""] = await askTwice(door, on, text);
    for (const id of [whole, streamed]) {
      // Written after the answer's end.
      await expect.poll(() => statusOf(on, id), { timeout: 5_000 }).toBe(200);
      const { body } = await contentOf(on, id);
      expect(body).toMatchObject({ request_id: id, prompt_cut: false, answer_cut: false });
      expect(JSON.parse(body.prompt).messages[0].content).toContain(text);
      expect(body.answer).toContain(`You wrote: "${text}"`);
      const days = (body.expires_at - Date.now() / 1_000) / 86_400;
      expect(days).toBeGreaterThan(6.9);
      expect(days).toBeLessThanOrEqual(7);
      expect(await contentOf(off, id)).toMatchObject({ status: 404 });
    }
    const deleted = await call("DELETE", `/v1/account/content/${whole}`, on.headers);
    expect(deleted).toEqual({ status: 200, body: { request_id: whole, deleted: true } });
    expect(await contentOf(on, whole)).toMatchObject({ status: 404 });
    expect((await keepIt(on, { keep: false })).body.account).not.toHaveProperty("content_days");
    expect(await contentOf(on, streamed)).toMatchObject({ status: 404 });
    const [after] = await askTwice(door, on, text);
    expect(await contentOf(on, after)).toMatchObject({ status: 404 });
  });
});

describe("the keeping of prompts and answers", () => {
  it("is switched by whoever may manage the account's keys, or an operator, and written into the audit log", async () => {
    const account = await openAccount();
    const { body } = await call("POST", "/v1/keys", account.headers, { name: "chat only" });
    const narrow = bearer(body.key);
    for (const refused of [
      call("PUT", "/v1/account/content", narrow, { keep: true }),
      contentOf({ ...account, headers: narrow }, "x"),
      call("DELETE", "/v1/account/content/x", narrow),
    ]) {
      expect(await refused).toMatchObject({ status: 403 });
    }
    const other = await openAccount();
    const foreign = { account_id: other.id, keep: true };
    expect(await keepIt(account, foreign)).toMatchObject({ status: 403 });
    const operator = { url: gateway.url, headers: admin };
    expect(await keepIt(operator, { ...foreign, days: 30 })).toMatchObject({
      status: 200,
      body: { account: { id: other.id, content_days: 30 } },
    });
    expect(await keepIt(operator, { account_id: nobody, keep: true })).toMatchObject({
      status: 404,
    });
    const changes = await call("GET", `/v1/admin/changes?account_id=${other.id}&limit=1`, admin);
    expect(changes.body.data).toMatchObject([
      {
        action: "account.content_changed",
        fields: [{ field: "content_days", after: "30" }],
      },
    ]);
  });

  it.each([
    [{ keep: true, days: 0 }, "days"],
    [{ keep: true, days: 31 }, "days"],
    [{ days: 7 }, "keep"],
  ])("refuses %j and names the field", async (keeping, param) => {
    const account = await openAccount();
    expect(await keepIt(account, keeping)).toMatchObject({
      status: 400,
      body: { error: { param } },
    });
  });

  it("cuts prompts and answers at 64 KiB, and says so", async () => {
    const account = await openAccount();
    await keepIt(account, { keep: true, days: 1 });
    const body = ask("é".repeat(100_000));
    const path = "/v1/chat/completions";
    const { headers } = await sendHttp1(gateway.url, { path, headers: account.headers, body });
    const id = headers["x-request-id"];
    await expect.poll(() => statusOf(account, id), { timeout: 5_000 }).toBe(200);
    const kept = (await contentOf(account, id)).body;
    expect(kept.prompt_cut).toBe(true);
    const bytes = Buffer.byteLength(kept.prompt);
    expect(bytes).toBeGreaterThan(65_530);
    expect(bytes).toBeLessThanOrEqual(65_536);
    expect(Buffer.byteLength(kept.answer)).toBeLessThanOrEqual(65_536);
  });

  it("leaves nothing of accounts that did not switch it on, on disk or in the log", async () => {
    expect(canaries.size).toBe(doors.length);
    expect(await hitsOnDisk(gateway.dataDirectory, canaries)).toEqual([]);
    const written = gateway.process.stdout() + gateway.process.stderr();
    expect(hitsIn(logLines(written).join("\n"), canaries)).toEqual([]);
  });
});
