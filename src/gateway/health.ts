// grpc.health.v1: whether the gateway can serve, asked once or watched.
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../gen/grpc/health/v1/health_pb.ts";

/** Whether the gateway can serve, as `/readyz` says it too. */
export interface Readiness {
  ready(): boolean;
  /** Calls the listener after each change; returns a function that takes it off. */
  onChange(listener: () => void): () => void;
}

/** What the health service needs. */
export type HealthOptions = {
  /** The services that can be asked for by name; the empty name, the whole server, always can. */
  readonly services: readonly DescService[];
  readonly readiness: Readiness;
  /** Ends the watches when it is aborted, lest they hold up a graceful stop. Default: never. */
  readonly stopping?: AbortSignal;
};

/**
 * A registration of `grpc.health.v1.Health`. All services share one state. `Check` of an unknown name fails
 * with not_found; `Watch` of one says SERVICE_UNKNOWN and stays open (the service's proto).
 */
export function createHealth(options: HealthOptions): (router: ConnectRouter) => void {
  const { services, readiness, stopping } = options;
  const names = new Set(["", ...services.map(({ typeName }) => typeName)]);
  const current = () => (readiness.ready() ? Status.SERVING : Status.NOT_SERVING);

  return (router) =>
    router.service(Health, {
      check({ service }) {
        if (names.has(service)) return { status: current() };
        throw new ConnectError(`There is no service "${service}".`, Code.NotFound);
      },
      list() {
        const status = current();
        return { statuses: Object.fromEntries([...names].map((name) => [name, { status }])) };
      },
      async *watch({ service }, { signal }: HandlerContext) {
        const read = () => (names.has(service) ? current() : Status.SERVICE_UNKNOWN);
        for await (const status of changes(read, readiness, anyOf(signal, stopping)))
          yield { status };
        if (stopping?.aborted) throw new ConnectError("The server stops.", Code.Unavailable);
      },
    });
}

function anyOf(signal: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other === undefined ? signal : AbortSignal.any([signal, other]);
}

/** The state now and whenever it differs from the last one told, until the signal is aborted. */
async function* changes(
  read: () => Status,
  readiness: Readiness,
  signal: AbortSignal,
): AsyncGenerator<Status> {
  let changed = Promise.withResolvers<void>();
  const wake = () => changed.resolve();
  const unsubscribe = readiness.onChange(wake);
  signal.addEventListener("abort", wake);
  try {
    let told: Status | undefined;
    while (!signal.aborted) {
      // Before the state is read, so that a change while it is being sent wakes the next round.
      changed = Promise.withResolvers<void>();
      const status = read();
      if (status !== told) yield status;
      told = status;
      await changed.promise;
    }
  } finally {
    unsubscribe();
    signal.removeEventListener("abort", wake);
  }
}
