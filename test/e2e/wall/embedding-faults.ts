/** What upstreams do wrong with embeddings, and what a client of two inputs is to see of it. */
import { embeddingList, toBase64 } from "../../fakes/embeddings-upstream.ts";
import { type Play, playJson, playText } from "../../fakes/openai-upstream.ts";
import type { faultyProviders } from "./fault.ts";

/** What a client sees: all vectors, or the type of an error. */
export type SeenVectors = readonly (readonly number[])[] | string;

/** One fault. */
export type EmbeddingFault = {
  readonly name: string;
  readonly kind: Exclude<keyof typeof faultyProviders, "anthropic" | "hasty-anthropic">;
  readonly play: Play;
  readonly seen: SeenVectors;
};

const vectors = [
  [0.5, -0.25],
  [1, 0.125],
];
const [one = [], two = []] = vectors;
const good = embeddingList(vectors);
const down = "service_unavailable";
const wrong = "invalid_request_error";
const list = (data: unknown, extra: object = {}) => playJson(200, { ...good, data, ...extra });
const item = (embedding: unknown, index?: unknown) => ({ object: "embedding", index, embedding });
const gemini = (embeddings: unknown) => playJson(200, { embeddings });
const values = (numbers: unknown) => ({ values: numbers });
/** Writes raw bytes on the socket: what no HTTP library would. */
const playRaw =
  (bytes: string): Play =>
  ({ socket }) =>
    void socket?.end(bytes);
/** Writes a piece and then nothing. */
const playStalled =
  (piece: string): Play =>
  (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write(piece);
  };
const playNothing: Play = () => {};

/** Of any API. */
const anywhere: [string, Play, SeenVectors][] = [
  ["an HTML page with 200", playText(200, "text/html", "<html>Hello</html>"), down],
  ["an HTML page with 502", playText(502, "text/html", "<html>Bad gateway</html>"), down],
  ["a body that is cut", playText(200, "application/json", '{"data":[{"emb'), down],
  ["an empty body", playText(200, "application/json", ""), down],
  ["null", playJson(200, null), down],
  ["an array", playJson(200, [good]), down],
  ["an empty object", playJson(200, {}), down],
  ["200 with an error", playJson(200, { error: { message: "no", code: 500 } }), down],
  ["400", playJson(400, { error: { message: "bad" } }), wrong],
  ["401", playJson(401, { error: { message: "your key sk-secret is wrong" } }), down],
  ["403", playJson(403, {}), down],
  ["404", playJson(404, { error: { message: "no such model" } }), wrong],
  ["413", playJson(413, { error: { message: "large" } }), wrong],
  ["429", playJson(429, {}, { "retry-after": "1" }), down],
  ["500", playJson(500, { error: { message: "internal" } }), down],
  ["503 in plain text", playText(503, "text/plain", "later"), down],
  ["a redirect", playJson(302, {}, { location: "http://127.0.0.1:1/" }), down],
  ["204", playText(204, "application/json", ""), down],
  ["a reset before the head", ({ socket }) => void socket?.resetAndDestroy(), down],
  ["a head that is none", playRaw("HELLO\r\n\r\n"), down],
  [
    "a length that is a lie",
    playRaw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{}"),
    down,
  ],
];

const openai: [string, Play, SeenVectors][] = [
  ["no data", list(undefined), down],
  ["no vectors", list([]), down],
  ["a vector too few", list([item(one, 0)]), down],
  ["a vector too many", list([item(one, 0), item(two, 1), item(two, 2)]), down],
  ["vectors of two lengths", list([item(one, 0), item([1, 2, 3], 1)]), down],
  ["empty vectors", list([item([], 0), item([], 1)]), down],
  ["null for a vector", list([item(one, 0), item(null, 1)]), down],
  ["texts for numbers", list([item(one, 0), item(["1", "2"], 1)]), down],
  ["null for a number", list([item(one, 0), item([1, null], 1)]), down],
  ["a number of no float", playText(200, "application/json", overflowing()), down],
  ["one index twice", list([item(one, 0), item(two, 0)]), down],
  ["an index beyond the inputs", list([item(one, 0), item(two, 2)]), down],
  ["vectors that are no objects", list([one, two]), down],
  ["base64 that is none", list([item("!", 0), item("!", 1)]), down],
  ["base64 of half a float", list([item("AAAA", 0), item("AAAA", 1)]), down],
  [
    "base64 of no number",
    list([item(toBase64([Number.NaN, 1]), 0), item(toBase64([1, Number.NaN]), 1)]),
    down,
  ],
  ["a good answer", playJson(200, good), vectors],
  ["base64 that nobody asked for", list(vectors.map((vector) => item(toBase64(vector)))), vectors],
  ["the vectors in another order", list([item(two, 1), item(one, 0)]), vectors],
  ["no index", list([item(one), item(two)]), vectors],
  ["no usage", list([item(one, 0), item(two, 1)], { usage: undefined }), vectors],
  ["usage that is none", list([item(one, 0), item(two, 1)], { usage: "much" }), vectors],
  ["absurd usage", list([item(one, 0), item(two, 1)], { usage: { prompt_tokens: 1e15 } }), vectors],
  [
    "usage of nothing",
    list([item(one, 0), item(two, 1)], { usage: { prompt_tokens: 0 } }),
    vectors,
  ],
];

const google: [string, Play, SeenVectors][] = [
  ["no embeddings", playJson(200, { predictions: [] }), down],
  ["an embedding too few", gemini([values(one)]), down],
  ["an embedding too many", gemini([values(one), values(two), values(two)]), down],
  ["embeddings of two lengths", gemini([values(one), values([1])]), down],
  ["embeddings without values", gemini([{}, {}]), down],
  ["Google's error", playJson(400, { error: { code: 400, message: "bad", status: "X" } }), wrong],
  ["a good answer", gemini([values(one), values(two)]), vectors],
];

const stalls: [string, Play][] = [
  ["nothing at all", playNothing],
  ["half an answer", playStalled('{"data":[')],
];

/** A number that JSON admits and no float holds. */
function overflowing(): string {
  return JSON.stringify({ ...good, data: [item(one, 0), item([1, "HUGE"], 1)] }).replace(
    '"HUGE"',
    "1e400",
  );
}

function toFaults(
  kinds: readonly EmbeddingFault["kind"][],
  rows: readonly [string, Play, SeenVectors][],
): EmbeddingFault[] {
  return kinds.flatMap((kind) => rows.map(([name, play, seen]) => ({ name, kind, play, seen })));
}

/** All faults. */
export const embeddingFaults: readonly EmbeddingFault[] = [
  ...toFaults(["openai", "gemini"], anywhere),
  ...toFaults(["openai", "normalised"], openai),
  ...toFaults(["gemini"], google),
  ...toFaults(
    ["hasty", "hasty-gemini"],
    stalls.map(([name, play]) => [name, play, down]),
  ),
];
