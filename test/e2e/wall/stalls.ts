/** Upstreams that take their time, or say nothing more: each ends by a time-out, or whole. */
import { messageEnd, messageStart, textBlock } from "../../fakes/anthropic-upstream.ts";
import { response as geminiResponse } from "../../fakes/gemini-upstream.ts";
import {
  chunk,
  completion,
  event,
  type Play,
  playStream,
  usageChunk,
} from "../../fakes/openai-upstream.ts";
import type { Fault, Seen } from "./fault.ts";

const dripEveryMs = 20;

const text = "Hello \u{1F642}";
const complete = (said = text): Seen => ({ end: "complete", text: said });
const broken: Seen = { end: "broken", text: "Hello", type: "service_unavailable" };
const refused: Seen = { end: "refused", text: "", type: "service_unavailable" };

const role = event(chunk({ role: "assistant", content: "" }));
const first = event(chunk({ role: "assistant", content: "Hello" }));
const rest = event(chunk({ content: " \u{1F642}" }));
const stop = event(chunk({}, "stop"));

const silent: Play = () => {};
const stalled = (...pieces: readonly (string | Uint8Array)[]) => playStream(pieces, "stall");

/** The head and the start of a whole answer, and not a byte more. */
function playHalf(start: string): Play {
  return (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    if (start !== "") response.write(start);
  };
}

/** Writes the start on the socket, then a piece now and then for as long as it is open. */
function playDrip(start: string, next: () => string | undefined): Play {
  return ({ socket }) => {
    socket?.write(start);
    const timer = setInterval(() => {
      const piece = next();
      if (piece !== undefined) socket?.write(piece);
      else socket?.end();
    }, dripEveryMs);
    socket?.once("close", () => clearInterval(timer));
  };
}

const eventsHead =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/** An answer of these bytes, head and all, a few at a time. */
function playSlowly(whole: string): Play {
  return (response, request) => {
    const pieces = whole.match(/.{1,40}/gsu) ?? [];
    return playDrip("", () => pieces.shift())(response, request);
  };
}

const jsonHead = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
const endlessHead = playDrip("HTTP/1.1 200 OK\r\nx-slow: ", () => "a");

/** All of them. */
export const stalls: readonly Fault[] = [
  { name: "silence", kind: "hasty", unary: [silent, refused], stream: [silent, refused] },
  {
    name: "a head without an end",
    kind: "hasty",
    unary: [endlessHead, refused],
    stream: [endlessHead, refused],
  },
  {
    name: "silence after the head",
    kind: "hasty",
    unary: [playHalf(""), refused],
    stream: [stalled(), refused],
  },
  { name: "silence after half of it", kind: "hasty", unary: [playHalf('{"choices":[{'), refused] },
  { name: "silence after a role", kind: "hasty", stream: [stalled(role), refused] },
  { name: "silence after the first token", kind: "hasty", stream: [stalled(first), broken] },
  {
    name: "silence in the middle of an event",
    kind: "hasty",
    stream: [stalled(first, rest.slice(0, 60)), broken],
  },
  {
    name: "silence in the middle of a character",
    kind: "hasty",
    stream: [stalled(first, Buffer.from(rest).subarray(0, 165)), broken],
  },
  {
    name: "silence after the finish",
    kind: "hasty",
    stream: [stalled(first, rest, stop), complete()],
  },
  {
    name: "silence after the usage",
    kind: "hasty",
    stream: [stalled(first, rest, stop, event(usageChunk())), complete()],
  },
  {
    name: "pings and no token",
    kind: "hasty",
    stream: [playDrip(eventsHead + role, () => ": ping\n\n"), refused],
  },
  {
    name: "pings after the first token",
    kind: "hasty",
    stream: [playDrip(eventsHead + first, () => ": ping\n\n"), broken],
  },
  {
    name: "pings after the finish",
    kind: "hasty",
    stream: [playDrip(eventsHead + first + rest + stop, () => ": ping\n\n"), complete()],
  },
  {
    name: "a trickle",
    kind: "openai",
    unary: [playSlowly(jsonHead + JSON.stringify(completion(text))), complete()],
    stream: [playSlowly(`${eventsHead}${first}${rest}${stop}data: [DONE]\n\n`), complete()],
  },
  {
    name: "a trickle",
    kind: "normalised",
    unary: [playSlowly(jsonHead + JSON.stringify(completion(text))), complete()],
    stream: [playSlowly(`${eventsHead}${first}${rest}${stop}data: [DONE]\n\n`), complete()],
  },
  {
    name: "silence after message_start",
    kind: "hasty-anthropic",
    unary: [silent, refused],
    stream: [stalled(messageStart()), refused],
  },
  {
    name: "silence after the first token",
    kind: "hasty-anthropic",
    stream: [stalled(messageStart(), ...textBlock(["Hello"]).slice(0, 2)), broken],
  },
  {
    name: "silence before message_stop",
    kind: "hasty-anthropic",
    stream: [
      stalled(messageStart(), ...textBlock([text]), ...messageEnd().slice(0, 1)),
      complete(),
    ],
  },
  {
    name: "silence after the first token",
    kind: "hasty-gemini",
    unary: [silent, refused],
    stream: [stalled(event(geminiResponse([{ text: "Hello" }]))), broken],
  },
];
