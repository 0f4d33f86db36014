// Part of the composition root: what operators can measure of a process.
import type { DeploymentHealth } from "./chat/deployment-health.ts";
import { type Listener, listen } from "./gateway/listen.ts";
import { createOperatorDoor, type PageParts } from "./gateway/pages.ts";
import { version } from "./main-doors.ts";
import type { ConsumerStatus, Metering } from "./main-metering.ts";
import type { WorkerFunctions } from "./main-worker.ts";
import type { Channel } from "./platform/channel.ts";
import { systemClock } from "./platform/clock.ts";
import type { Log } from "./platform/log.ts";
import {
  type Family,
  type Instrument,
  Metrics,
  mergeWorkers,
  type Reading,
} from "./platform/metrics.ts";
import { type OtlpExporter, openOtlpExporter } from "./platform/otlp.ts";
import type { Settings } from "./platform/settings.ts";
import { within } from "./platform/within.ts";
import type { WorkerStatus } from "./usage/kafka/worker.ts";

/** How often the event loop is asked how late it is. */
const lagProbeMs = 250;

const instrument = (name: string, unit: string, description: string): Instrument => ({
  name,
  unit,
  description,
});

/** The metrics of a gateway, but for its port, which is not open yet. */
export function measureGateway(
  { metering, health }: { readonly metering: Metering; readonly health: () => DeploymentHealth },
  resources: AsyncDisposableStack,
): Metrics {
  const metrics = new Metrics();
  measureProcess(metrics, resources);
  measureMetering(metrics, metering);
  measureDeployments(metrics, health);
  return metrics;
}

/** The metrics of a process that keeps the books of workers. */
export function measureOwner(status: Metering["status"], resources: AsyncDisposableStack): Metrics {
  const metrics = new Metrics();
  measureProcess(metrics, resources);
  measureMetering(metrics, { status });
  return metrics;
}

/** A worker that is too busy to say what it measured is missing for once. */
const workerTimeoutMs = 1_000;

/** What workers measured, and who started them if that measures anything. */
export async function collectWorkers(
  own: Metrics | undefined,
  workers: ReadonlyMap<number, Channel<WorkerFunctions>>,
): Promise<readonly Family[]> {
  const asked = [...workers].map(async ([number, worker]) => {
    const told = within(workerTimeoutMs, worker.call("metrics")).catch(() => undefined);
    return [String(number), (await told) ?? []] as const;
  });
  const families = await Promise.all(asked);
  return mergeWorkers(new Map([...(own ? [["", own.collect()] as const] : []), ...families]));
}

/** The metrics of a consumer of a fleet. */
export function measureFleetConsumer(
  status: () => ReadonlyMap<number, WorkerStatus>,
  resources: AsyncDisposableStack,
): Metrics {
  const metrics = new Metrics();
  measureProcess(metrics, resources);
  const sum = (toNumber: (status: WorkerStatus) => number) =>
    one([...status().values()].reduce((total, worker) => total + toNumber(worker), 0));
  metrics.gauge(
    instrument("optamil.consumer.partitions", "{partition}", "Partitions that are its own."),
    () => sum(() => 1),
  );
  metrics.gauge(lagInstrument, () => sum(({ lag = 0 }) => lag));
  metrics.gauge(
    instrument("optamil.consumer.dead_letters_held", "{event}", "Dead letters of them so far."),
    () => sum(({ dead }) => dead),
  );
  return metrics;
}

const lagInstrument = instrument(
  "optamil.consumer.lag",
  "{event}",
  "Events of the log that it has not taken.",
);

/** The process itself: memory, processor time, and how late its event loop is. */
function measureProcess(metrics: Metrics, resources: AsyncDisposableStack): void {
  const startedAtS = Date.now() / 1_000 - process.uptime();
  metrics.observedCounter(
    instrument("process.cpu", "s", "Processor time of the process, user and system."),
    () => {
      const { user, system } = process.cpuUsage();
      return one((user + system) / 1e6);
    },
  );
  metrics.gauge(
    instrument("process.resident_memory", "By", "Memory of the process that is in RAM."),
    () => one(process.memoryUsage.rss()),
  );
  metrics.gauge(instrument("process.start_time", "s", "Unix time of the start."), () =>
    one(startedAtS),
  );
  const lag = watchEventLoop(resources);
  metrics.gauge(
    instrument(
      "optamil.event_loop.lag",
      "s",
      "The latest a timer was in the last 15 seconds or so.",
    ),
    () => one(lag() / 1_000),
  );
}

/** The worst lateness of timers, over two windows that take turns, milliseconds. */
function watchEventLoop(resources: AsyncDisposableStack): () => number {
  const windowMs = 7_500;
  let [before, now] = [0, 0];
  let dueMs = performance.now() + lagProbeMs;
  let windowEndMs = dueMs + windowMs;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    now = Math.max(now, nowMs - dueMs);
    dueMs = nowMs + lagProbeMs;
    if (nowMs < windowEndMs) return;
    [before, now] = [now, 0];
    windowEndMs = nowMs + windowMs;
  }, lagProbeMs);
  resources.defer(() => clearInterval(timer));
  return () => Math.max(before, now);
}

/** The usage log, the holds, and who reads the log. */
function measureMetering(metrics: Metrics, { status }: Pick<Metering, "status">): void {
  metrics.gauge(
    instrument("optamil.holds.open", "{hold}", "Admitted requests whose end is not recorded yet."),
    () => oneIfKnown(status().log, ({ openHolds }) => openHolds),
  );
  metrics.gauge(
    instrument(
      "optamil.usage_log.unconfirmed",
      "{event}",
      "Events of this gateway's log that are not known to be in the warehouse, in a fleet in Kafka.",
    ),
    () => oneIfKnown(status().log, (log) => log.endOffset - log.confirmedOffset),
  );
  metrics.gauge(
    instrument("optamil.usage_log.fill", "1", "Those events as a share of what the log takes."),
    () => oneIfKnown(status().log, ({ spoolShare }) => spoolShare),
  );
  metrics.gauge(
    instrument(
      "optamil.usage_log.refusing",
      "{log}",
      "1 while requests are refused for want of room.",
    ),
    () => oneIfKnown(status().log, ({ refusing }) => (refusing === undefined ? 0 : 1)),
  );
  metrics.gauge(
    instrument("optamil.counters.up", "{store}", "1 while the replicas' counters can be trusted."),
    () => oneIfKnown(status().countersUp, Number),
  );
  metrics.gauge(
    instrument("optamil.counters.slow", "{store}", "1 while requests go ahead of those counters."),
    () => oneIfKnown(status().countersSlow, Number),
  );
  metrics.observedCounter(
    instrument("optamil.usage_log.degraded", "{event}", "Events that ended on the disk alone."),
    () => oneIfKnown(status().degradedEvents, Number),
  );
  measureConsumer(metrics, () => status().consumer);
}

function measureConsumer(metrics: Metrics, consumer: () => ConsumerStatus | undefined): void {
  metrics.gauge(
    instrument("optamil.consumer.up", "{process}", "1 while the consumer has its warehouse open."),
    () => oneIfKnown(consumer(), ({ ready }) => Number(ready)),
  );
  metrics.gauge(lagInstrument, () => oneIfKnown(consumer(), ({ lag }) => lag));
  metrics.observedCounter(
    instrument("optamil.consumer.restarts", "{start}", "Its starts after the first one."),
    () => oneIfKnown(consumer(), ({ restarts }) => restarts),
  );
  metrics.observedCounter(
    instrument("optamil.consumer.dead_letters", "{event}", "Events that no warehouse can take."),
    () => oneIfKnown(consumer(), ({ dead }) => dead),
  );
}

/** The deployments that have failed lately. */
function measureDeployments(metrics: Metrics, health: () => DeploymentHealth): void {
  const description =
    "1 while a deployment that failed is left alone, 0 while it is tried again; those that are well are absent.";
  metrics.gauge(
    {
      ...instrument("optamil.deployment.resting", "{deployment}", description),
      attributes: ["provider", "model"],
    },
    () =>
      health()
        .troubled()
        .map(({ provider, model, isResting }) => ({
          values: [provider, model],
          value: Number(isResting),
        })),
  );
}

/** The port and what runs on it. */
export function measureListener(metrics: Metrics, { stats }: Listener): void {
  metrics.gauge(
    instrument("optamil.requests.running", "{request}", "Requests whose answer is not finished."),
    () => one(stats().requestsRunning),
  );
  metrics.gauge(instrument("optamil.connections.open", "{connection}", "Open connections."), () =>
    one(stats().connectionsOpen),
  );
  metrics.observedCounter(
    instrument(
      "optamil.connections.refused",
      "{connection}",
      "Connections closed for want of room.",
    ),
    () => one(stats().connectionsRefused),
  );
}

/** Opens the export of spans and metrics, if the settings want one. */
export function openTelemetry(
  { telemetry, gatewayId }: Pick<Settings, "telemetry" | "gatewayId">,
  { metrics, resources, log }: TelemetryParts,
): OtlpExporter | undefined {
  if (telemetry === undefined) return undefined;
  const { endpoint, headers, serviceName, metricsEveryMs, spansEveryMs } = telemetry;
  const exporter = openOtlpExporter({
    ...{ endpoint, headers, metrics, metricsEveryMs, spansEveryMs, clock: systemClock },
    resource: {
      "service.name": serviceName,
      "service.version": version,
      "service.instance.id": gatewayId,
    },
    scope: { name: "optamil", version },
    onTrouble: (trouble) => log.warn({ trouble }, "telemetry was not exported"),
  });
  resources.defer(() => exporter.close());
  return exporter;
}

type TelemetryParts = {
  readonly metrics: Metrics;
  readonly resources: AsyncDisposableStack;
  readonly log: Log;
};

/** Opens the port for operators, if the settings want one. */
export async function openOperatorPort(
  port: Settings["metrics"],
  parts: Pick<PageParts, "ready" | "degraded" | "config" | "metrics">,
  { resources, log }: { readonly resources: AsyncDisposableStack; readonly log: Log },
): Promise<void> {
  if (port === undefined) return;
  const listener = await listen(createOperatorDoor(parts), port);
  log.info({ url: `${listener.url}/metrics` }, "metrics");
  resources.defer(() => listener.close({ drainMs: 0 }));
}

function one(value: number): readonly Reading[] {
  return [{ value }];
}

function oneIfKnown<Known>(
  known: Known | undefined,
  toNumber: (known: Known) => number,
): readonly Reading[] {
  return known === undefined ? [] : one(toNumber(known));
}
