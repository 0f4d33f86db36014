import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { SaidAnswer } from "../../src/chat/span-content.ts";
import { CreateChatCompletionRequestSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { jsonCodec } from "../../src/platform/json.ts";

const codec = jsonCodec(CreateChatCompletionRequestSchema);
const request = (...messages: object[]) => codec.decode({ model: "auto", messages });
const nothing = create(CreateChatCompletionRequestSchema);
const ended = { index: 0, content: undefined, calls: [], finishReason: "stop" };

describe("what a span has of a chat", () => {
  it("are its messages, with calls of tools and what these answered", () => {
    const called = { name: "weather", arguments: '{"city":"Paris"}' };
    const asked = request(
      { role: "system", content: "Be short." },
      { role: "user", content: [{ type: "text", text: "Weather?" }, picture] },
      { role: "assistant", tool_calls: [{ id: "call-1", type: "function", function: called }] },
      { role: "tool", tool_call_id: "call-1", content: "rain" },
    );
    const { inputMessages, cut } = new SaidAnswer().toContent(asked);
    expect(JSON.parse(inputMessages)).toEqual([
      { role: "system", parts: [{ type: "text", content: "Be short." }] },
      { role: "user", parts: [{ type: "text", content: "Weather?" }, { type: "image_url" }] },
      { role: "assistant", parts: [{ type: "tool_call", id: "call-1", ...called }] },
      { role: "tool", parts: [{ type: "tool_call_response", id: "call-1", result: "rain" }] },
    ]);
    expect(cut).toBe(false);
  });

  it("is an answer for each choice, put together from the pieces of a stream", () => {
    const said = new SaidAnswer();
    const call = (more: object) => [{ index: 0, ...more }] as never;
    said.add({ index: 0, content: "Hel", calls: [], finishReason: null });
    said.add({ index: 1, content: "Bye", calls: [], finishReason: null });
    said.add({ index: 0, content: "lo", calls: [], finishReason: "length" });
    const first = call({ id: "c", function: { name: "f", arguments: '{"a"' } });
    said.add({ index: 1, content: null, calls: first, finishReason: null });
    const second = call({ function: { arguments: ":1}" } });
    said.add({ index: 1, content: null, calls: second, finishReason: "tool_calls" });
    const text = (content: string) => ({ type: "text", content });
    expect(JSON.parse(said.toContent(nothing).outputMessages)).toEqual([
      { role: "assistant", parts: [text("Hello")], finish_reason: "length" },
      {
        role: "assistant",
        parts: [text("Bye"), { type: "tool_call", id: "c", name: "f", arguments: '{"a":1}' }],
        finish_reason: "tool_call",
      },
    ]);
  });

  it("is an error where the answer broke off", () => {
    const said = new SaidAnswer();
    said.add({ ...ended, content: "Hel", finishReason: undefined });
    const [answer] = JSON.parse(said.toContent(nothing).outputMessages);
    expect(answer).toMatchObject({ finish_reason: "error" });
  });

  it("ends after 16 KiB of each in whole characters, and says so", () => {
    const said = new SaidAnswer();
    for (let piece = 0; piece < 100; piece++) said.add({ ...ended, content: "ß".repeat(1_000) });
    const long = { role: "user", content: `x${"ß".repeat(9_000)}` };
    const content = said.toContent(request(long, long));
    expect(content.cut).toBe(true);
    const [output] = JSON.parse(content.outputMessages);
    expect(output.parts[0].content).toBe("ß".repeat(8_192));
    const [first, second] = JSON.parse(content.inputMessages);
    expect(first.parts[0].content).toBe(`x${"ß".repeat(8_191)}`);
    // One byte was left.
    expect(second.parts[0].content).toBe("x");
  });
});

const picture = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
