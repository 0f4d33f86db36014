import { create, type Message } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { Reply } from "../../src/gateway/reply.ts";
import { writeRows } from "../../src/gateway/rest-rows.ts";
import { routesOf } from "../../src/gateway/route.ts";
import {
  AnalyticsService,
  ExportLoggedRequestsRequestSchema,
  ExportLoggedRequestsResponseSchema,
} from "../../src/gen/optamil/v1/analytics_pb.ts";
import { OptamilError } from "../../src/platform/errors.ts";

/** A response that keeps what is written. */
function createReply() {
  const written = { text: "", head: {} as object, destroyed: false, ended: false };
  const reply: Reply = {
    statusCode: 0,
    headersSent: false,
    get destroyed() {
      return written.destroyed;
    },
    writableEnded: false,
    setHeader: () => undefined,
    hasHeader: () => false,
    writeHead: (_status, headers) => Object.assign(written.head, headers),
    write(data) {
      written.text += String(data);
      return true;
    },
    end(data = "") {
      written.text += String(data);
      written.ended = true;
    },
    once: () => undefined,
    destroy() {
      written.destroyed = true;
    },
  };
  return { reply, written };
}

const [route] = routesOf(AnalyticsService.method.exportLoggedRequests);
const hostile = '=HYPERLINK("https://evil.example")';
const rows = [
  { id: "1", model: hostile, tag: "-a,b", creditsMicro: -1_500_000n, providerCostNanousd: 47n },
  { id: "2", model: "plain", tag: "line\nbreak", creditsMicro: 2n ** 60n },
];
const pages = rows.map((row) => create(ExportLoggedRequestsResponseSchema, { data: [row] }));
const late = new OptamilError("service_unavailable", "Too long.");

async function* breakOff(): AsyncGenerator<Message> {
  yield* pages.slice(0, 1);
  throw late;
}

async function* all(): AsyncGenerator<Message> {
  yield* pages;
}

async function writeOut(format: string, messages: AsyncIterable<Message>) {
  const { reply, written } = createReply();
  const request = create(ExportLoggedRequestsRequestSchema, { format });
  if (route === undefined) throw new Error("no route");
  const failure = await writeRows(reply, route, request, messages);
  return { ...written, failure };
}

describe("rows over REST", () => {
  it("are a line of JSON each, with exact amounts", async () => {
    const { text, ended, head } = await writeOut("", all());
    expect(head).toMatchObject({ "content-type": "application/x-ndjson" });
    const lines = text.split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain('"credits":-1.5,"provider_cost_usd":4.7e-8,');
    expect(lines[1]).toContain('"credits":1152921504606.846976,');
    expect(ended).toBe(true);
  });

  it("are CSV that no spreadsheet takes for formulas", async () => {
    const { text } = await writeOut("csv", all());
    const [head = "", first = ""] = text.split("\n");
    const cells = head.split(",");
    expect(cells.slice(0, 3)).toEqual(["id", "request_id", "kind"]);
    expect(first).toContain(`,"'=HYPERLINK(""https://evil.example"")",`);
    expect(first).toContain(`,"'-a,b",`);
    expect(first).toContain(",-1.5,4.7e-8,");
    expect(text).toContain(',"line\nbreak",');
    expect(text).toContain(",1152921504606.846976,");
  });

  it("say at their end that they broke off", async () => {
    const { text, failure, destroyed } = await writeOut("ndjson", breakOff());
    const last = text.trimEnd().split("\n").at(-1) ?? "";
    expect(JSON.parse(last).error).toMatchObject({ message: "Too long.", code: 503 });
    expect(failure).toBe(late);
    expect(destroyed).toBe(false);
    expect((await writeOut("csv", breakOff())).destroyed).toBe(true);
  });

  it("are refused as any call where the first of them fails", async () => {
    const failing = breakOff();
    await failing.next();
    await expect(writeOut("", failing)).rejects.toBe(late);
  });
});
