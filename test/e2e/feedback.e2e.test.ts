import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { askWarehouse } from "../chaos/books.ts";
import { bearer, type Door, doors, type HeaderMap, type Target } from "./doors.ts";
import { runOptamil, startGateway } from "./gateway.ts";
import { fromRow, type Row, refusalOf, rows } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";

const gateway = await startGateway();
const admin = bearer(gateway.key);
const chat = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };
const nobody = "01900000-0000-7000-8000-000000000000";

/** A new account as the target of its calls. */
async function openAccount(): Promise<Target> {
  const body = { name: "test", plan: "pro" };
  const reply = await sendHttp1(gateway.url, { path: "/v1/admin/accounts", headers: admin, body });
  return { url: gateway.url, headers: bearer(JSON.parse(reply.text).key) };
}

async function usageOf(target: Target): Promise<string> {
  return (await sendHttp1(gateway.url, { path: "/v1/usage", headers: target.headers })).text;
}

const soon = { timeout: 20_000, interval: 250 };

/** Gives feedback as soon as its request is found: a new one is not at once. */
async function giveFeedback(door: Door, target: Target, request: Record<string, unknown>) {
  const taken: Awaited<ReturnType<Door["giveFeedback"]>>[] = [];
  const give = async () => taken.push(await door.giveFeedback(target, request));
  await expect.poll(give, soon).toBe(1);
  const [first] = taken;
  return first ?? expect.unreachable();
}

/** What analysts see of the account's requests, by the id that the client saw. */
function feedbackOn(requestId: string | undefined) {
  const columns = "operation, thumb, score, comment, toInt64(times) AS times";
  const statement = `SELECT ${columns} FROM feedback WHERE request_id = '${requestId}'`;
  return askWarehouse<Record<string, unknown>>(gateway, statement);
}

it("can be asked about when the warehouse is open, some seconds after the doors", async () => {
  await expect.poll(() => feedbackOn("nothing"), soon).toEqual([]);
}, 30_000);

describe.each(doors)("feedback through $name", (door) => {
  it("on a request of the account is joined to it for analysts, and costs nothing", async () => {
    const target = await openAccount();
    const { headers } = await door.chat(target, chat);
    const request_id = headers["x-request-id"];
    const usage = await usageOf(target);
    const comment = "Not what I asked. \u{1F642} 'quoted'\n";
    const first = { request_id, thumb: "down", score: 0.125, comment };
    const { body, headers: given } = await giveFeedback(door, target, first);
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      object: "feedback",
      event_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(given).toMatchObject({ "x-ratelimit-limit": "60" });
    const said = { operation: "chat", thumb: "down", score: 0.125, comment, times: 1 };
    await expect.poll(() => feedbackOn(request_id), soon).toEqual([said]);

    // The last word counts, as a whole, by whichever id it names the request.
    const { event_id } = body;
    expect((await giveFeedback(door, target, { event_id, thumb: "up" })).body.event_id).toBe(
      event_id,
    );
    const last = { operation: "chat", thumb: "up", score: null, comment: "", times: 2 };
    await expect.poll(() => feedbackOn(request_id), soon).toEqual([last]);
    expect(await usageOf(target)).toBe(usage);
  });

  it("is for one's own requests alone", async () => {
    const [owner, other] = [await openAccount(), await openAccount()];
    const { headers } = await door.chat(owner, chat);
    const request_id = headers["x-request-id"];
    const { body } = await giveFeedback(door, owner, { request_id, thumb: "up" });
    for (const on of [{ request_id }, { event_id: body.event_id }, { event_id: nobody }]) {
      const refusal = await refusalOf(door.giveFeedback(other, { ...on, thumb: "down" }));
      const notFound: Row = [rows.noPath[0], "not_found", rows.noPath[2], "true"];
      expect(refusal).toMatchObject({
        ...fromRow(notFound, door.kind),
        param: Object.keys(on)[0],
        message: "The account has no request with that id; new ones can be found after a second.",
      });
    }
    const onFeedback = { event_id: body.id, thumb: "up" };
    await expect
      .poll(async () => (await refusalOf(door.giveFeedback(owner, onFeedback))).message, soon)
      .toBe("Only requests can be rated.");
  });

  it.each<[string, Record<string, unknown>, string | null, string]>([
    ["on nothing", { thumb: "up" }, null, "set either request_id or event_id"],
    [
      "on two things",
      { request_id: "a", event_id: nobody, thumb: "up" },
      null,
      "set either request_id or event_id",
    ],
    ["that says nothing", { request_id: "a" }, null, "set thumb, score or comment"],
    ["with another thumb", { request_id: "a", thumb: "sideways" }, "thumb", "up"],
    ["with a score above 1", { request_id: "a", score: 1.01 }, "score", "1"],
    ["with a score below 0", { request_id: "a", score: -0.01 }, "score", "0"],
    ["with an id that is none", { event_id: "a", thumb: "up" }, "event_id", "UUID"],
    [
      "with a comment of more than 4 kB",
      { request_id: "a", comment: "\u00e9".repeat(2_049) },
      "comment",
      "4096 bytes",
    ],
  ])("%s is refused", async (_what, request, param, words) => {
    const refusal = await refusalOf(
      door.giveFeedback({ url: gateway.url, headers: admin }, request),
    );
    expect(refusal).toMatchObject({ ...fromRow(rows.invalid, door.kind), param });
    expect(refusal.message).toContain(words);
  });
});

it("has a limit of its own for an account, which leaves the other calls alone", async () => {
  const target = await openAccount();
  const [rest] = doors;
  const statuses = new Map<string, number>();
  let limited: HeaderMap = {};
  for (let at = 0; at < 61; at += 1) {
    const call = rest?.giveFeedback(target, { request_id: "nothing", thumb: "up" });
    const { type, headers } = await refusalOf(call ?? Promise.resolve());
    statuses.set(type, (statuses.get(type) ?? 0) + 1);
    if (type === "rate_limit_exceeded") limited = headers;
  }
  expect(Object.fromEntries(statuses)).toEqual({ not_found: 60, rate_limit_exceeded: 1 });
  expect(limited).toMatchObject({ "x-ratelimit-limit": "60", "x-ratelimit-remaining": "0" });
  expect(JSON.parse(await usageOf(target)).credits_used).toBe(0);
  await rest?.chat(target, chat);
}, 60_000);

it("on embeddings is taken too, and what operators train the router on has the chats' alone", async () => {
  const [rest] = doors;
  if (rest === undefined) expect.unreachable();
  const target = await openAccount();
  const vectors = await rest.embed(target, { model: "bge-m3", input: "Hello." });
  const answer = await rest.chat(target, chat);
  const [embeddings, chats] = [vectors, answer].map(({ headers }) => headers["x-request-id"]);
  for (const request_id of [embeddings, chats]) {
    await giveFeedback(rest, target, { request_id, score: 0.25 });
  }
  await expect
    .poll(() => feedbackOn(embeddings), soon)
    .toMatchObject([{ operation: "embeddings", score: 0.25 }]);
  const statement = readFileSync("src/router/training/own-outcomes.sql", "utf8");
  const exported = () =>
    askWarehouse<{ id: string; good: boolean; score: number | null }>(gateway, statement);
  await expect
    .poll(async () => (await exported()).filter(({ id }) => id === chats), soon)
    .toMatchObject([{ good: false, score: 0.25 }]);
  expect((await exported()).filter(({ id }) => id === embeddings)).toEqual([]);
}, 60_000);

it("leaves books that are in order", async () => {
  const { code, stdout, stderr } = await runOptamil(["audit"], gateway.dataDirectory);
  expect(code, stdout + stderr).toBe(0);
}, 60_000);
