import { create } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, it } from "vitest";
import type { AnswerHead } from "../../src/chat/call.ts";
import { ContentSink } from "../../src/chat/content-sink.ts";
import {
  CreateChatCompletionRequestSchema,
  StreamChatCompletionResponseSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import { RecordingSink } from "../fakes/recording-sink.ts";

const request = create(CreateChatCompletionRequestSchema, { model: "auto" });
const head: AnswerHead = {
  ...{ model: "m", tier: "mid", provider: "p", overheadMs: 0, route: undefined },
  ...{ includeUsage: false, creditsMicro: 1n, replayed: false },
};
const chunk = (content: string) =>
  create(StreamChatCompletionResponseSchema, { choices: [{ index: 0, delta: { content } }] });
const bytes = (text: string) => new TextEncoder().encode(text);
let sink: ContentSink;

beforeEach(() => {
  sink = new ContentSink(new RecordingSink());
});

describe("what is noted of an answer", () => {
  it("is its text, put together from chunks or from the events that a provider wrote", () => {
    sink.head(head);
    sink.chunks([chunk("one "), chunk("two")]);
    sink.end(1n);
    const whole = { prompt: '{"model":"auto","messages":[]}', promptCut: false, answerCut: false };
    expect(sink.noted(request)).toEqual({ ...whole, answer: "one two" });
    const bySource = new ContentSink(new RecordingSink());
    bySource.head(head);
    for (const content of ["one ", "two"]) {
      const event = { id: "1", choices: [{ index: 0, delta: { content } }] };
      bySource.events(bytes(`data: ${JSON.stringify(event)}\n\n`));
    }
    const call = { index: 0, function: { name: "f", arguments: "{}" } };
    const last = { choices: [{ index: 0, delta: { content: null, tool_calls: [call] } }] };
    bySource.events(bytes(`data: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`));
    bySource.end(1n);
    const answer = 'one two{"name":"f","arguments":"{}"}';
    expect(bySource.noted(request)).toEqual({ ...whole, answer });
  });

  it("is the bytes as they are where they have no shape of ours", () => {
    const bySource = new ContentSink(new RecordingSink());
    bySource.head(head);
    bySource.json(bytes("[not an answer]"));
    expect(bySource.noted(request)).toMatchObject({ answer: "[not an answer]", answerCut: false });
  });

  it("says so where the answer broke off, by the client or by the provider", () => {
    sink.head(head);
    sink.chunks([chunk("half")]);
    expect(sink.noted(request)).toMatchObject({ answer: "half", answerCut: true });
    sink.fail(new OptamilError("service_unavailable", "cut"), 0n);
    expect(sink.noted(request)).toMatchObject({ answer: "half", answerCut: true });
  });

  it("is nothing where no answer began, or one was given again", () => {
    expect(sink.noted(request)).toBeUndefined();
    sink.head({ ...head, replayed: true });
    sink.end(1n);
    expect(sink.noted(request)).toBeUndefined();
  });
});
