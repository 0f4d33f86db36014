/** What a fleet does while one of the services that it stands on is stopped, frozen, slow or wiped. */
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import { bearer } from "../e2e/doors.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import type { Dependency, Fleet } from "./fleet.ts";

/** How a service fails. "slow": each answer arrives 500 ms later; "starved": it runs for a twentieth of the time, in slices of 10 ms. */
export type Fault = "stopped" | "frozen" | "slow" | "starved" | "wiped";

/** Answers to a request of each kind, by status. */
export type Answers = Record<number, number>;

const chat = { model: "chaos-model", messages: [{ role: "user", content: "Say hello." }] };
const slowMs = 500;
const starvedRunMs = 10;
const starvedPauseMs = 190;
/** The usage may be read 600 times a minute. */
const turnsPerUsage = 10;

/** Lets a service fail; gives what ends the fault. */
export async function inflict(
  fleet: Fleet,
  dependency: Dependency,
  fault: Fault,
): Promise<() => Promise<void>> {
  const parts = partsOf(fleet, dependency);
  switch (fault) {
    case "stopped":
      await Promise.all(parts.map((part) => part.kill()));
      return async () => void (await Promise.all(parts.map((part) => part.restart())));
    case "frozen":
      for (const part of parts) part.pause();
      return async () => {
        for (const part of parts) part.resume();
      };
    case "slow":
      await delay(fleet, dependency, slowMs);
      return () => delay(fleet, dependency, 0);
    case "starved":
      return starve(parts);
    case "wiped":
      // Of three brokers one: nothing stands behind the last copy of a log.
      await parts[0]?.wipe();
      return async () => undefined;
  }
}

type Part = {
  kill(): Promise<void>;
  restart(): Promise<void>;
  pause(): void;
  resume(): void;
  wipe(): Promise<void>;
};

function partsOf(fleet: Fleet, dependency: Dependency): Part[] {
  const { kafka, clickhouse, redis } = fleet;
  if (dependency === "redis") return [redis];
  if (dependency === "clickhouse") return [clickhouse];
  return kafka.brokers.map((broker) => ({
    kill: () => broker.kill(),
    restart: () => broker.restart(),
    pause: () => broker.pause(),
    resume: () => broker.resume(),
    wipe: async () => {
      await broker.kill();
      await broker.wipe();
      await broker.restart();
    },
  }));
}

async function delay(fleet: Fleet, dependency: Dependency, latencyMs: number): Promise<void> {
  const { proxies } = fleet;
  if (proxies === undefined) throw new Error("nothing stands before the services of this fleet");
  await Promise.all(proxies[dependency].map((proxy) => proxy.delay(latencyMs)));
}

function starve(parts: readonly Part[]): () => Promise<void> {
  let stopped = false;
  const run = async () => {
    while (!stopped) {
      for (const part of parts) part.pause();
      await wait(starvedPauseMs);
      for (const part of parts) part.resume();
      await wait(starvedRunMs);
    }
  };
  const running = run();
  return async () => {
    stopped = true;
    await running;
  };
}

/** Asks again and again for so long: chat requests, and the usage; the answers by status, and how long chats took. */
export async function probe(fleet: Fleet, key: string, forMs: number) {
  const answers = { chat: {} as Answers, usage: {} as Answers };
  const tookMs: number[] = [];
  const endMs = performance.now() + forMs;
  const headers = bearer(key);
  for (let turn = 0; performance.now() < endMs; turn++) {
    const { url } = await fleet.address(turn);
    const askedMs = performance.now();
    const asked = await sendHttp1(url, { path: "/v1/chat/completions", headers, body: chat });
    count(answers.chat, asked.status);
    if (asked.status === 200) tookMs.push(performance.now() - askedMs);
    if (turn % turnsPerUsage === 0) {
      const usage = await sendHttp1(url, { path: "/v1/usage", headers });
      count(answers.usage, usage.status);
    }
    await wait(20);
  }
  const sorted = tookMs.toSorted((one, other) => one - other);
  const at = (share: number) => Math.round(sorted[Math.floor(sorted.length * share)] ?? 0);
  return { ...answers, servedMs: { p50: at(0.5), p99: at(0.99) } };
}

/** Resolves when a replica's readiness names a service that it does without, or no more; the milliseconds that took. */
export async function untilDegraded(fleet: Fleet, away: readonly Dependency[]): Promise<number> {
  const startedMs = performance.now();
  const { url } = await fleet.address();
  const named = async () => {
    const { status, text } = await sendHttp1(url, { path: "/readyz" });
    return { status, degraded: JSON.parse(text).degraded ?? [] };
  };
  await expect
    .poll(named, { timeout: 30_000, interval: 50 })
    .toEqual({ status: 200, degraded: away });
  return Math.round(performance.now() - startedMs);
}

/** Resolves when every replica serves an account that must not overdraw; gives the milliseconds that took. */
export async function untilServed(fleet: Fleet, key: string): Promise<number> {
  const startedMs = performance.now();
  for (const replica of fleet.replicas.keys()) {
    const { url } = await fleet.address(replica);
    const ask = async () =>
      (await sendHttp1(url, { path: "/v1/chat/completions", headers: bearer(key), body: chat }))
        .status;
    await expect.poll(ask, { timeout: 30_000, interval: 50 }).toBe(200);
  }
  return Math.round(performance.now() - startedMs);
}

function count(answers: Answers, status: number): void {
  answers[status] = (answers[status] ?? 0) + 1;
}
