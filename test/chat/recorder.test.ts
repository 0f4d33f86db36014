import { describe, expect, it } from "vitest";
import { answerBytesMax } from "../../src/admission/idempotency.ts";
import { Recorder, RecordingRoom } from "../../src/chat/recorder.ts";
import { chunk, RecordingSink } from "../fakes/recording-sink.ts";

describe("a recorder", () => {
  it("lets the sink behind it say when there is room again", () => {
    const sink = new RecordingSink();
    sink.roomLeft = false;
    const recorder = new Recorder(sink, new RecordingRoom());
    let drained = 0;
    recorder.onDrain = () => drained++;
    expect(recorder.chunks([chunk("1")])).toBe(false);
    sink.onDrain?.();
    expect(drained).toBe(1);
  });

  it("passes everything on at once but the end", () => {
    const sink = new RecordingSink();
    const recorder = new Recorder(sink, new RecordingRoom());
    recorder.ping();
    recorder.chunks([chunk("1")]);
    recorder.end(1n);
    expect(sink.told).toEqual(["ping", "chunk 1"]);
    recorder.release();
    expect(sink.told).toEqual(["ping", "chunk 1", "end 1"]);
  });

  it("gives its memory back as soon as its answer is larger than 1 MiB", () => {
    const room = new RecordingRoom(3 * answerBytesMax);
    const recorder = new Recorder(new RecordingSink(), room);
    recorder.events(new Uint8Array(answerBytesMax));
    expect(room.take(3 * answerBytesMax)).toBe(false);
    recorder.events(new Uint8Array(1));
    expect(room.take(3 * answerBytesMax)).toBe(true);
  });
});
