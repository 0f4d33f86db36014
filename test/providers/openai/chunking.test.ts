import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chunk, event, usageChunk, usageOf } from "../../fakes/openai-upstream.ts";
import { relayReads } from "./relay-bytes.ts";

const done = "data: [DONE]\n\n";
const words = [
  "Hello",
  " \u{1F642}",
  ' "usage',
  '":{',
  " caf\u00e9",
  "\u2028",
  " \\",
  "\n\n",
  "data: ",
];
const plain = [
  chunk({ role: "assistant", content: "" }),
  ...words.map((content) => chunk({ content })),
  chunk({}, "stop"),
  usageChunk(usageOf(5, 2)),
]
  .map(event)
  .join("");

/** Streams as upstreams send them, good ones and bad ones. */
const recorded: Readonly<Record<string, string>> = {
  plain: plain + done,
  "without an end": plain,
  "CR LF": (plain + done).replaceAll("\n", "\r\n"),
  CR: (plain + done).replaceAll("\n", "\r"),
  "CR LF from the middle on":
    plain.slice(0, plain.indexOf("caf")) +
    plain.slice(plain.indexOf("caf")).replaceAll("\n", "\r\n") +
    done,
  comments: plain.replaceAll("\n\n", "\n\n: keep-alive\n\n") + done,
  "a byte order mark": `\u{FEFF}${plain}${done}`,
  "roles repeated":
    plain.replaceAll('"delta":{"content"', '"delta":{"role":"assistant","content"') + done,
  "an error in the middle": `${plain.slice(0, plain.indexOf("data", 600))}${event({ error: { message: "no" } })}`,
  "a cut": plain.slice(0, 1000),
  "no JSON": `${plain.slice(0, plain.indexOf("data", 600))}data: {not json}\n\n`,
  "a page": "<html><body>Bad gateway</body></html>",
};

describe.each(["verbatim", "normalised"] as const)("a relay that is %s", (relay) => {
  it.each(Object.entries(recorded))(
    "makes the same of %s, however the bytes are cut",
    (_, text) => {
      const bytes = Buffer.from(text);
      const summary = (reads: readonly Uint8Array[], includeUsage: boolean) => {
        const delivery = relayReads(reads, { relay, includeUsage });
        const { usage, failure, endCount } = delivery;
        const { length } = delivery.chunks;
        const events = delivery.events.join("");
        const { errorClass } = failure ?? {};
        return { events, chunks: delivery.json(), length, usage, errorClass, endCount };
      };
      const whole = { asked: summary([bytes], true), plain: summary([bytes], false) };
      const cuts = fc.array(fc.nat(bytes.length), { maxLength: 40 });
      fc.assert(
        fc.property(cuts, fc.boolean(), (places, asked) => {
          const sorted = [0, ...places.toSorted((a, b) => a - b), bytes.length];
          const reads = sorted.slice(1).map((end, at) => bytes.subarray(sorted[at], end));
          expect(summary(reads, asked)).toEqual(asked ? whole.asked : whole.plain);
        }),
        { numRuns: 60 },
      );
      const single = [...bytes].map((byte) => Buffer.of(byte));
      expect(summary(single, true)).toEqual(whole.asked);
    },
  );
});
