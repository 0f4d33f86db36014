// What every RPC goes through, whatever carries it: who calls, whether the message is good, and what a failure says.
import { create, type Message } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import type { RateView } from "../chat/rate.ts";
import type { Trail } from "../chat/trail.ts";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import type { Caller } from "../keys/verify.ts";
import type { Cancellation } from "../platform/cancellation.ts";
import type { Clock } from "../platform/clock.ts";
import { type OptamilError, toOptamilError } from "../platform/errors.ts";
import { validatorOf } from "../platform/validate.ts";
import { authorizeSoon, type Gate, scopeOf } from "./access.ts";
import { addressHeader } from "./address.ts";
import { type Exchange, isFree, type MethodEntry } from "./exchange.ts";
import { requestIdHeader, setErrorHeaders } from "./headers.ts";
import { holdRefusal } from "./hold-refusal.ts";
import { readIdempotencyKey } from "./idempotency-key.ts";
import { readQuality } from "./quality-header.ts";
import { type Rates, setRateHeaders } from "./rate-headers.ts";
import { ownOriginHeader } from "./session-cookie.ts";
import { readTag } from "./tag-header.ts";

/** One RPC as what carries it shows it. */
export type RpcCarrier = {
  /** Gives a header of the request by its lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** Adds to a header of the answer, or sets it. */
  readonly addHeader: (name: string, value: string) => void;
  readonly setHeader: (name: string, value: string) => void;
  readonly hasHeader: (name: string) => boolean;
  readonly cancellation: Cancellation;
  readonly trail: Trail;
};

/** What RPCs stand on. */
export type RpcParts = {
  readonly gate: Gate;
  readonly clock: Clock;
  /** Milliseconds until an answer must be complete, unless the client's deadline is sooner. */
  readonly answerTimeoutMs: number;
  readonly rates: Rates;
  /** Told of internal errors, with their cause. */
  readonly onError: (error: OptamilError, requestId: string) => void;
};

/** What is learnt of one call while it runs, for its headers. */
export type Note = { caller: Caller | undefined; view: RateView | undefined };

/** Opens a call of one method: throws `unauthenticated`, `permission_denied`, `invalid_request` and their kin. */
export type OpenCall = (request: Message, carrier: RpcCarrier, note: Note) => Promise<Exchange>;

/** How calls of a method are opened; free ones are counted. */
export function createOpenCall(entry: MethodEntry, parts: RpcParts): OpenCall {
  const { method } = entry;
  const isCounted = isFree(entry);
  const validate = validatorOf(method.input);
  const scope = scopeOf(method);
  return async (request, carrier, note) => {
    const receivedAtMs = parts.clock.monotonicMs();
    const { header, trail } = carrier;
    const address = header(addressHeader) ?? "";
    const ownOrigin = () => header(ownOriginHeader) === "true";
    const caller = await authorizeSoon(scope, { header, address, ownOrigin }, parts.gate);
    if (scope !== undefined) {
      note.caller = caller;
      trail.caller = caller;
    }
    validate(request);
    const exchange: Exchange = {
      requestId: requestIdOf(carrier),
      address,
      caller,
      body: undefined,
      cancellation: carrier.cancellation,
      receivedAtMs,
      // A sooner deadline of the client's comes as a cancellation, which alone knows whose it was.
      timeoutMs: parts.answerTimeoutMs,
      idempotencyKey: readIdempotencyKey(header),
      quality: readQuality(header),
      tag: readTag(header),
      trail,
      setHeader: carrier.addHeader,
      showRate: (view: RateView) => {
        note.view = view;
      },
    };
    if (isCounted) await parts.rates.admitRead(caller, exchange.showRate);
    return exchange;
  };
}

function requestIdOf({ header }: RpcCarrier): string {
  return header(requestIdHeader) ?? "";
}

/** Says in the answer's head where the caller stands against its limits, if that is known. */
export function showRate(
  { view }: Note,
  { clock }: RpcParts,
  set: (name: string, value: string) => void,
): void {
  if (view !== undefined) setRateHeaders(view, clock.wallMs(), set);
}

/** A thrown value as RPCs say it: the table's code, headers and a google.rpc.ErrorInfo. */
export async function toConnectError(
  thrown: unknown,
  carrier: RpcCarrier,
  parts: RpcParts,
  note: Note,
): Promise<ConnectError> {
  if (thrown instanceof ConnectError) return thrown;
  const requestId = requestIdOf(carrier);
  const error = toOptamilError(thrown, requestId);
  if (error.code === "internal") parts.onError(error, requestId);
  await holdRefusal(error);
  const { connect, type } = error.row;
  const info = {
    reason: type,
    domain: "optamil",
    metadata: error.param === undefined ? {} : { param: error.param },
  };
  const details = [{ desc: ErrorInfoSchema, value: create(ErrorInfoSchema, info) }];
  const result = new ConnectError(error.message, connect, undefined, details, error.cause);
  const set = (name: string, value: string) => result.metadata.set(name, value);
  setErrorHeaders(error, set);
  // Headers that went out with the first message are not said again at the end.
  if (carrier.hasHeader("x-optamil-model")) return result;
  carrier.trail.refused(type);
  if (note.view === undefined && note.caller !== undefined) {
    note.view = await parts.rates.current(note.caller).catch(() => undefined);
  }
  showRate(note, parts, set);
  return result;
}
