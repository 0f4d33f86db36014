/** What stays in memory of calls to upstreams that misbehave. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, expect, it } from "vitest";
import { anthropic } from "../../src/providers/anthropic.ts";
import { gemini } from "../../src/providers/gemini.ts";
import { openOpenAi } from "../../src/providers/openai.ts";
import { faultyProviders } from "../e2e/wall/fault.ts";
import { faults } from "../e2e/wall/faults.ts";
import { openUpstream } from "../fakes/openai-upstream.ts";
import { collect, toCall } from "./calls.ts";
import { defaultTimeouts } from "./openai-fixture.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

const modes = ["unary", "stream"] as const;
const cases = faults.flatMap((fault) =>
  modes.flatMap((mode) => {
    const [play] = fault[mode] ?? [];
    return play === undefined ? [] : [{ fault, mode, play }];
  }),
);
const upstream = await openUpstream(async (response, request) => {
  const at = /fault-(\d+)/.exec(`${request.url} ${request.text}`)?.[1];
  await cases[Number(at)]?.play(response, request);
});
const { baseUrl } = upstream;
const dialects = { openai: undefined, anthropic, gemini };
const providers = new Map(
  Object.entries(faultyProviders).map(([name, options]) => {
    const timeouts = { ...defaultTimeouts, ...("timeouts" in options && options.timeouts) };
    const relay = "relay" in options ? options.relay : "normalised";
    const dialect = dialects[options.kind];
    const provider = openOpenAi({ name, baseUrl, apiKey: undefined, relay, timeouts, dialect });
    return [name, provider];
  }),
);

afterAll(async () => {
  for (const provider of providers.values()) await provider.close();
  await upstream.close();
});

/** Runs a case; what it used is to be nobody's any more. */
async function runCase(at: number): Promise<WeakRef<object>[]> {
  const found = cases[at];
  const provider = providers.get(found?.fault.kind ?? "");
  if (found === undefined || provider === undefined) throw new Error(`no case ${at}`);
  const isStream = found.mode === "stream";
  const change = { upstreamModel: `fault-${at}` };
  const call = toCall("json", isStream ? { stream: true } : {}, change);
  const told = await (isStream ? collect(provider, call) : provider.complete(call));
  return [call, call.cancellation, call.request, told].map((used) => new WeakRef<object>(used));
}

it("nothing is kept of a call once it is over, however its upstream behaved", async () => {
  const used = (await Promise.all(cases.map((_, at) => runCase(at)))).flat();
  expect(used).toHaveLength(4 * cases.length);
  const countKept = () => {
    collectGarbage();
    return used.filter((one) => one.deref() !== undefined).length;
  };
  await expect.poll(countKept, { timeout: 20_000, interval: 250 }).toBe(0);
});
