import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countTokens, toTokens } from "../../src/providers/demo/word-tokens.ts";
import { openDemo } from "../../src/providers/demo.ts";
import { collect, modelName, startStream, toCall, toMessage } from "./calls.ts";

const clock = { wallMs: () => 1_800_000_000_500, monotonicMs: () => 0 };
const demo = openDemo({ name: "demo", clock });

/** The first choice of the whole answer, and its usage. */
async function ask(request: object) {
  const message = toMessage(await demo.complete(toCall("messages", request)));
  const [choice] = message.choices;
  return { choice, content: choice?.message?.content ?? "", usage: message.usage };
}

const says = (content: unknown) => ({ messages: [{ role: "user", content }] });
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, unit: { enum: ["C", "F"] } },
      required: ["city"],
    },
  },
};
const clockTool = { type: "function", function: { name: "get_time" } };

describe("the demo provider", () => {
  it("says that it is a demo and that no model was called, and quotes the user", async () => {
    const { content } = await ask(says("What is\n  the answer?"));
    expect(content).toBe(
      `This is Optamil's demo provider: no model was called. You wrote: "What is the answer?"`,
    );
  });

  it("quotes at most 80 characters of the last user message", async () => {
    const { content } = await ask(says("\u{1F642}".repeat(100)));
    expect(content).toContain(`"${"\u{1F642}".repeat(80)}…"`);
  });

  it("quotes the texts of a message in parts, and says so when there is none", async () => {
    const image = { type: "image_url", image_url: { url: "data:," } };
    expect((await ask(says([image, { type: "text", text: "Look" }]))).content).toContain('"Look"');
    expect((await ask(says([image]))).content).toContain("There was no text to quote.");
  });

  it("gives the same answer to the same request, with the time of its clock", async () => {
    const [one, two] = [toCall("messages"), toCall("messages")];
    const first = toMessage(await demo.complete(one));
    expect(toMessage(await demo.complete(two))).toEqual(first);
    expect(first).toMatchObject({
      id: "chatcmpl-req-1",
      created: 1_800_000_000n,
      model: modelName,
    });
  });

  it("counts each run of letters and digits and each other sign as one token", async () => {
    const { usage, content } = await ask(says("Caf\u00e9 no. 42, s\u00ed?"));
    expect(usage?.promptTokens).toBe(7);
    expect(usage?.completionTokens).toBe(countTokens(content));
  });

  it("counts the prompt over all messages and their tool calls", async () => {
    const called = { id: "1", type: "function", function: { name: "f", arguments: '{"a":1}' } };
    const messages = [
      { role: "system", content: "Be kind." },
      { role: "user", content: "Hi" },
      { role: "assistant", content: null, tool_calls: [called] },
      { role: "tool", tool_call_id: "1", content: "ok" },
    ];
    expect((await ask({ messages })).usage?.promptTokens).toBe(3 + 1 + 1 + 7 + 1);
  });

  it.each(["max_tokens", "max_completion_tokens"])("stops at %s", async (name) => {
    const { choice, content, usage } = await ask({ ...says("Hi"), [name]: 4 });
    expect(content).toBe("This is Optamil'");
    expect(choice?.finishReason).toBe("length");
    expect(usage?.completionTokens).toBe(4);
  });

  it.each(["demo", ["nothing", "demo", "no model"]])("ends before the stop %j", async (stop) => {
    const { choice, content } = await ask({ ...says("Hi"), stop });
    expect(content).toBe("This is Optamil's ");
    expect(choice?.finishReason).toBe("stop");
  });

  it("numbers the choices when there are several", async () => {
    const message = toMessage(await demo.complete(toCall("messages", { n: 2 })));
    expect(message.choices[1]?.message?.content).toMatch(/Choice 2 of 2\.$/);
  });
});

describe("the demo provider's JSON mode", () => {
  it("answers with an object that says it is a demo", async () => {
    const { content } = await ask({ ...says('"Hi"'), response_format: { type: "json_object" } });
    expect(JSON.parse(content)).toMatchObject({ demo: true, quote: '"Hi"' });
  });

  it("answers with an object of the schema", async () => {
    const schema = { type: "object", properties: { n: { type: "integer", minimum: 3 } } };
    const response_format = { type: "json_schema", json_schema: { name: "x", schema } };
    expect(JSON.parse((await ask({ response_format })).content)).toEqual({ n: 3 });
  });
});

describe("the demo provider's tools", () => {
  const tools = [clockTool, weather];
  const callOf = async (request: object) => {
    const { choice } = await ask({ tools, ...request });
    const [call] = choice?.message?.toolCalls ?? [];
    return call?.function && [call.function.name, call.function.arguments];
  };
  const weatherCall = ["get_weather", '{"city":"demo","unit":"C"}'];

  it("are called when one is required: the first", async () => {
    expect(await callOf({ tool_choice: "required" })).toEqual(["get_time", "{}"]);
  });

  it("are called when one is named", async () => {
    const tool_choice = { type: "function", function: { name: "get_weather" } };
    expect(await callOf({ tool_choice })).toEqual(weatherCall);
  });

  it("are called when the user writes call and the name, unless the choice is none", async () => {
    const request = says("Please call get_weather now");
    expect(await callOf(request)).toEqual(weatherCall);
    expect(await callOf({ ...request, tool_choice: "none" })).toBeUndefined();
    expect(await callOf(says("What is the weather?"))).toBeUndefined();
  });

  it("are followed by a text that quotes the result", async () => {
    const messages = [
      { role: "user", content: "call get_time" },
      { role: "tool", tool_call_id: "1", content: "12:00" },
    ];
    const { content, choice } = await ask({ tools, messages, tool_choice: "required" });
    expect(content).toContain('The tool answered: "12:00"');
    expect(choice?.finishReason).toBe("stop");
  });

  it("count their name and arguments as tokens, and are cut by max_tokens", async () => {
    const tool_choice = { type: "function", function: { name: "get_weather" } };
    const whole = await ask({ tools, tool_choice });
    const cut = await ask({ tools, tool_choice, max_tokens: 5 });
    expect(whole.usage?.completionTokens).toBe(countTokens(weatherCall.join(" ")));
    expect(cut.choice?.message?.toolCalls[0]?.function?.arguments).toBe('{"');
    expect(cut).toMatchObject({
      choice: { finishReason: "length" },
      usage: { completionTokens: 5 },
    });
  });
});

describe("the demo provider's stream", () => {
  it("brings one token a chunk", async () => {
    const delivery = await collect(demo, toCall("messages", { stream: true }));
    const pieces = delivery.chunks.flatMap(({ choices }) => choices[0]?.delta?.content ?? []);
    expect(pieces.slice(1)).toEqual(toTokens(delivery.text()));
    expect(delivery.usage?.completionTokens).toBe(pieces.length - 1);
  });

  it("lets other work run between its deliveries", async () => {
    const { delivery } = startStream(demo, toCall("messages", { stream: true }));
    let turns = 0;
    delivery.onDelivery = () => setImmediate(() => (turns += 1));
    await delivery.ended;
    expect(turns).toBeGreaterThan(2);
  });

  it("delivers nothing while it is paused", async () => {
    const { delivery, stream } = startStream(demo, toCall("messages", { stream: true }));
    delivery.onDelivery = () => stream.pause();
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    expect(delivery.chunks).toHaveLength(4);
    delivery.onDelivery = undefined;
    stream.resume();
    await delivery.ended;
    expect(delivery.finishReasons()).toEqual(["stop"]);
  });

  it("ends with timeout when its reader takes longer than the call may", async () => {
    const call = toCall("messages", { stream: true }, { timeoutMs: 20 });
    const { delivery, stream } = startStream(demo, call);
    delivery.onDelivery = () => stream.pause();
    await delivery.ended;
    expect(delivery.failure).toMatchObject({ errorClass: "timeout" });
  });
});

describe("the demo provider's tokens", () => {
  it("joined are the text again, without space in front of nothing", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(toTokens(text).join("")).toBe(text.trim() === "" ? "" : text);
      }),
    );
  });

  it("are never longer than what they are counted for", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" })), (texts) => {
        const words = texts.flatMap((text) => toTokens(text));
        expect(words.every((word) => countTokens(word) === 1)).toBe(true);
      }),
    );
  });
});
