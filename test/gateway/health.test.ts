import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHealth } from "../../src/gateway/health.ts";
import { type Listener, listen } from "../../src/gateway/listen.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../src/gen/grpc/health/v1/health_pb.ts";

/** A readiness that the test switches. */
function createSwitch() {
  const changes = new EventTarget();
  let on = true;
  return {
    ready: () => on,
    onChange(listener: () => void) {
      changes.addEventListener("change", listener);
      return () => changes.removeEventListener("change", listener);
    },
    set(next: boolean) {
      on = next;
      changes.dispatchEvent(new Event("change"));
    },
  };
}

describe("grpc.health.v1", () => {
  const readiness = createSwitch();
  const stopping = new AbortController();
  let listener: Listener;
  let client: ReturnType<typeof createClient<typeof Health>>;
  beforeAll(async () => {
    const routes = createHealth({ services: [Health], readiness, stopping: stopping.signal });
    listener = await listen(connectNodeAdapter({ routes }));
    client = createClient(Health, createGrpcTransport({ baseUrl: listener.url }));
  });
  afterAll(() => listener.close({ drainMs: 0 }));

  const watch = (service: string, signal = new AbortController().signal) =>
    client.watch({ service }, { signal })[Symbol.asyncIterator]();
  const next = async (stream: AsyncIterator<{ status: Status }>) =>
    (await stream.next()).value?.status;

  it("says whether the server and each of its services can serve", async () => {
    for (const service of ["", Health.typeName]) {
      expect((await client.check({ service })).status).toBe(Status.SERVING);
      readiness.set(false);
      expect((await client.check({ service })).status).toBe(Status.NOT_SERVING);
      readiness.set(true);
    }
  });

  it("fails with not_found for a service that it does not know", async () => {
    await expect(client.check({ service: "no.Such" })).rejects.toMatchObject({
      code: Code.NotFound,
    });
  });

  it("lists the state of all services", async () => {
    const { statuses } = await client.list({});
    expect(Object.keys(statuses)).toEqual(["", Health.typeName]);
    expect(statuses[Health.typeName]?.status).toBe(Status.SERVING);
  });

  it("tells a watcher the state at once and then each change of it", async () => {
    const abort = new AbortController();
    const stream = watch("", abort.signal);
    expect(await next(stream)).toBe(Status.SERVING);
    readiness.set(true);
    readiness.set(false);
    expect(await next(stream)).toBe(Status.NOT_SERVING);
    readiness.set(true);
    expect(await next(stream)).toBe(Status.SERVING);
    abort.abort();
    await expect(stream.next()).rejects.toThrow(ConnectError);
  });

  it("tells a watcher of an unknown service so and stays open until the server stops", async () => {
    const stream = watch("no.Such");
    expect(await next(stream)).toBe(Status.SERVICE_UNKNOWN);
    const end = expect(stream.next()).rejects.toMatchObject({ code: Code.Unavailable });
    stopping.abort();
    await end;
  });
});
