// What the benchmark sends, to the gateway and to the bare proxy alike.

/** Names of the models of the mock upstream: the ones that stream say by their name how. */
export const unaryModel = "bench-model";
export const burstModel = "bench-burst";
export const pacedModel = "bench-paced";
export const slowModel = "bench-slow";

/** Server-sent events of a stream, its usage and its end counted as one. */
export const eventsPerStream = 64;
/** Milliseconds between two events of a paced stream. */
export const paceMs = 20;
/** How long a slow stream lasts: an event at its beginning, and the others at its end. */
export const slowSeconds = 30;

/** A request of some 1.1 kB in four messages; with `bytes` its last message is as long as that. */
export function toBody(model: string, options: { bytes?: number; stream?: boolean } = {}): string {
  const sentence = "The quick brown fox jumps over the lazy dog. ";
  const text = sentence.repeat(10);
  const last =
    options.bytes === undefined ? text : sentence.repeat(options.bytes / sentence.length);
  return JSON.stringify({
    model,
    messages: [
      { role: "system", content: "You are a helpful assistant." },
      { role: "user", content: text },
      { role: "assistant", content: "Understood." },
      { role: "user", content: last },
    ],
    temperature: 0.7,
    max_tokens: 256,
    ...(options.stream && { stream: true, stream_options: { include_usage: true } }),
  });
}
