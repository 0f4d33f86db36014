// The REST door: route, key, body, message, method, answer. Nothing here knows what a service does.
import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import type { RateView } from "../chat/rate.ts";
import { ErrorStyle } from "../gen/optamil/options/v1/options_pb.ts";
import type { Caller } from "../keys/verify.ts";
import { Cancellation } from "../platform/cancellation.ts";
import type { Clock } from "../platform/clock.ts";
import { invalidRequest, OptamilError, toOptamilError } from "../platform/errors.ts";
import { type JsonCodec, jsonCodec } from "../platform/json.ts";
import { parseJsonBody } from "../platform/json-body.ts";
import { validatorOf } from "../platform/validate.ts";
import { authorize, authorizeSoon, type Claimant, type Gate, scopeOf } from "./access.ts";
import { bind } from "./bind.ts";
import { readClientTimeoutMs } from "./client-timeout.ts";
import type { RequestContext } from "./door.ts";
import { toErrorText } from "./error-body.ts";
import { type Exchange, isFree, type MethodEntry } from "./exchange.ts";
import { readHeader, requestIdHeader, setErrorHeaders } from "./headers.ts";
import { holdRefusal } from "./hold-refusal.ts";
import { readIdempotencyKey } from "./idempotency-key.ts";
import type { DoorRequest } from "./listen.ts";
import type { Page } from "./pages.ts";
import { readQuality } from "./quality-header.ts";
import { type Rates, setRateHeaders } from "./rate-headers.ts";
import { readBody } from "./read-body.ts";
import { type Reply, ReplyHead } from "./reply.ts";
import { type RestFormat, restFormatOf } from "./rest-format.ts";
import { writeRows } from "./rest-rows.ts";
import { RestSink } from "./rest-sink.ts";
import {
  createRoutes,
  pickRoute,
  type Route,
  type RouteFound,
  type RouteMatch,
  type Routes,
} from "./routes.ts";
import { isOwnOrigin } from "./session-cookie.ts";
import { readTag } from "./tag-header.ts";

/** What the REST door needs. */
export type RestDoorOptions = {
  readonly entries: readonly MethodEntry[];
  readonly pages: ReadonlyMap<string, Page>;
  readonly gate: Gate;
  readonly clock: Clock;
  /** Largest request body, bytes. */
  readonly bodyBytesMax: number;
  /** Milliseconds until an answer must be complete. */
  readonly answerTimeoutMs: number;
  readonly rates: Rates;
  /** Told of internal errors, with their cause. */
  readonly onError: (error: OptamilError, requestId: string) => void;
};

/** Handles one request. */
export type RestDoor = (request: DoorRequest, reply: Reply, context: RequestContext) => void;

type Served = {
  readonly entry: MethodEntry;
  /** Undefined: the method is public. */
  readonly scope: string | undefined;
  readonly validate: (message: Message) => void;
  readonly answers: JsonCodec<Message>;
  /** Makes the format of an answer; undefined: the method returns its answer. */
  readonly format: ((requestId: string, request: Message) => RestFormat) | undefined;
};

/** Where an answer goes. */
type Answering = { readonly reply: Reply; readonly head: ReplyHead };

/** The door to the methods' REST routes and to the pages. */
export function createRestDoor(options: RestDoorOptions): RestDoor {
  const served = new Map<DescMethod, Served>(
    options.entries.map((entry) => [entry.method, serve(entry)]),
  );
  const services = new Set<DescService>(options.entries.map(({ method }) => method.parent));
  const routes = createRoutes([...services]);
  const visit = new Visit(routes, served, options);
  return (request, reply, context) => {
    void visit.run(request, reply, context);
  };
}

function serve(entry: MethodEntry): Served {
  const { method } = entry;
  return {
    entry,
    scope: scopeOf(method),
    validate: validatorOf(method.input),
    answers: jsonCodec(method.output),
    format: entry.kind === "answer" ? restFormatOf(entry) : undefined,
  };
}

/** The way of a request through the door; shared by all requests. */
class Visit {
  readonly #routes: Routes;
  readonly #served: ReadonlyMap<DescMethod, Served>;
  readonly #options: RestDoorOptions;

  constructor(routes: Routes, served: ReadonlyMap<DescMethod, Served>, options: RestDoorOptions) {
    this.#routes = routes;
    this.#served = served;
    this.#options = options;
  }

  /** Never rejects: what goes wrong is answered. */
  async run(request: DoorRequest, reply: Reply, context: RequestContext): Promise<void> {
    let caller: Caller | undefined;
    let rateShown = false;
    let match: RouteMatch | undefined;
    const { requestId } = context;
    const head = new ReplyHead(reply, request.httpVersionMajor);
    head.set(requestIdHeader, requestId);
    const setHeader = (name: string, value: string) => head.set(name, value);
    const showRate = (view: RateView) => {
      rateShown = true;
      setRateHeaders(view, this.#options.clock.wallMs(), setHeader);
    };
    try {
      const { path, query } = splitUrl(request.url ?? "/");
      const claimant = {
        header: (name: string) => readHeader(request.headers, name),
        address: context.address,
        ownOrigin: () => isOwnOrigin(request),
      };
      if (this.#showPage(request, reply, path, { claimant, requestId })) return;
      const { method = "GET" } = request;
      match = this.#routes.match(method, path);
      if (errorsOf(match) === ErrorStyle.ANTHROPIC) head.set("request-id", requestId);
      const found = theFound(match, method, path);
      const served = this.#serving(found.alternatives[0]);
      const sooner = authorizeSoon(served.scope, claimant, this.#options.gate);
      const known = sooner instanceof Promise ? await sooner : sooner;
      if (served.scope !== undefined) {
        caller = known;
        context.trail.caller = known;
      }
      const reading = this.#bytes(request, found);
      const body = reading && parseJsonBody(await reading);
      const route = pickRoute(found.alternatives, body);
      const message = bind(route, { body, query, params: found.params });
      // Written out, here and on the rest of the way: a spread costs several times a literal.
      const exchange = {
        requestId,
        receivedAtMs: context.receivedAtMs,
        address: context.address,
        trail: context.trail,
        caller: known,
        showRate,
        setHeader,
        body,
        cancellation: cancelOnClose(reply, this.#patienceMs(route, claimant.header)),
        timeoutMs: this.#options.answerTimeoutMs,
        idempotencyKey: readIdempotencyKey(claimant.header),
        quality: readQuality(claimant.header),
        tag: readTag(claimant.header),
      };
      await this.#answer(route, message, exchange, { reply, head });
    } catch (thrown) {
      if (caller !== undefined && !rateShown) {
        await this.#options.rates.current(caller).then(showRate, () => {});
      }
      const error = toOptamilError(thrown, requestId);
      await holdRefusal(error);
      context.trail.refused(error.row.type);
      this.#refuse(request, { reply, head }, error, { requestId, errors: errorsOf(match) });
    }
  }

  /** What the client waits for an answer in one piece; a stream has begun by then, and its client waits on. */
  #patienceMs({ method }: Route, header: (name: string) => string | undefined): number | undefined {
    const timeoutMs = method.methodKind === "unary" ? readClientTimeoutMs(header) : undefined;
    const isShort = timeoutMs !== undefined && timeoutMs < this.#options.answerTimeoutMs;
    return isShort ? timeoutMs : undefined;
  }

  #showPage(
    request: DoorRequest,
    reply: Reply,
    path: string,
    { claimant, requestId }: { readonly claimant: Claimant; readonly requestId: string },
  ): boolean {
    const page = this.#options.pages.get(path);
    if (page === undefined) return false;
    const { method = "GET" } = request;
    if (method !== "GET" && method !== "HEAD") throw wrongMethod(method, "GET, HEAD");
    request.resume();
    authorize(page.scope, claimant, this.#options.gate);
    reply.setHeader(requestIdHeader, requestId);
    page.show(reply, request);
    return true;
  }

  #serving(route: Route): Served {
    const served = this.#served.get(route.method);
    if (served === undefined) throw new Error(`nothing serves ${route.method.name}`);
    return served;
  }

  /** The body's bytes; undefined where the route takes none. */
  #bytes(request: DoorRequest, found: RouteFound): Promise<Uint8Array> | undefined {
    if (found.alternatives[0].body !== "none") return readBody(request, this.#options.bodyBytesMax);
    const length = request.headers["content-length"];
    if ((length !== undefined && length !== "0") || "transfer-encoding" in request.headers) {
      throw invalidRequest("This route takes no request body.");
    }
    request.resume();
    return undefined;
  }

  async #answer(
    route: Route,
    message: Message,
    exchange: Exchange,
    { reply, head }: Answering,
  ): Promise<void> {
    const { entry, validate, answers, format } = this.#serving(route);
    validate(message);
    if (isFree(entry)) await this.#options.rates.admitRead(exchange.caller, exchange.showRate);
    // The entry was made for this method's input by `unary` or `answered`.
    const input = message as never;
    if (entry.kind === "unary") {
      head.endJson(200, answers.encodeText(await entry.call(input, exchange)));
      return;
    }
    if (entry.kind === "rows") {
      head.apply();
      const failure = await writeRows(reply, route, message, entry.call(input, exchange));
      if (failure !== undefined)
        this.#report(toOptamilError(failure, exchange.requestId), exchange.requestId);
      return;
    }
    if (format === undefined) throw new Error(`${entry.method.name} has no format`);
    const written = format(exchange.requestId, message);
    const sink = new RestSink(reply, head, written, route.sse !== undefined);
    try {
      await entry.call(input, exchange, sink);
    } catch (thrown) {
      const error = toOptamilError(thrown, exchange.requestId);
      if (!sink.started) throw error;
      this.#report(error, exchange.requestId);
      sink.fail(error);
    }
  }

  #refuse(
    request: DoorRequest,
    { reply, head }: Answering,
    error: OptamilError,
    { requestId, errors }: { readonly requestId: string; readonly errors: ErrorStyle },
  ): void {
    this.#report(error, requestId);
    // What is left of the body is read and thrown away: an unread body stalls the connection on Deno.
    request.resume();
    if (reply.headersSent || reply.destroyed) {
      reply.destroy();
      return;
    }
    setErrorHeaders(error, (name, value) => head.set(name, value));
    if (error.code === "body_too_large" && request.httpVersionMajor === 1) {
      head.set("connection", "close");
    }
    head.endJson(error.row.status, toErrorText(error, errors, requestId));
  }

  #report(error: OptamilError, requestId: string): void {
    if (error.code === "internal") this.#options.onError(error, requestId);
  }
}

/** Only a path that is found is served; of any other it is said what is wrong. */
function theFound(match: RouteMatch, method: string, path: string): RouteFound {
  if (match.kind === "found") return match;
  if (match.kind === "wrong_method") throw wrongMethod(method, match.allow);
  throw new OptamilError("not_found", `There is nothing at ${path.slice(0, 200)}.`);
}

/** How a path refuses: one that nobody knows as OpenAI does. */
function errorsOf(match: RouteMatch | undefined): ErrorStyle {
  if (match?.kind === "found") return match.alternatives[0].errors;
  return match?.kind === "wrong_method" ? match.route.errors : ErrorStyle.UNSPECIFIED;
}

function splitUrl(url: string): { path: string; query: string } {
  const mark = url.indexOf("?");
  if (mark < 0) return { path: url, query: "" };
  return { path: url.slice(0, mark), query: url.slice(mark + 1) };
}

function wrongMethod(method: string, allow: string): OptamilError {
  const message = `This path does not take ${method}; it takes ${allow}.`;
  return new OptamilError("method_not_allowed", message, { allow });
}

function cancelOnClose(reply: Reply, patienceMs: number | undefined): Cancellation {
  const cancellation = new Cancellation();
  reply.once("close", () => {
    if (!reply.writableEnded) cancellation.cancel("client_closed");
  });
  if (patienceMs === undefined) return cancellation;
  const timer = setTimeout(() => cancellation.cancel("deadline"), patienceMs);
  reply.once("close", () => clearTimeout(timer));
  return cancellation;
}
