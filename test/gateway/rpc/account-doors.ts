/** Both doors in front of AccountService and AdminService, over a directory and fakes of what is asked of a warehouse. */
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { AccountUsage } from "../../../src/admission/counters.ts";
import { createPasswordRoom } from "../../../src/directory/password.ts";
import { createSignUp } from "../../../src/directory/sign-up.ts";
import { createDoor } from "../../../src/gateway/door.ts";
import { listen } from "../../../src/gateway/listen.ts";
import { createRestDoor } from "../../../src/gateway/rest.ts";
import { accountMethods } from "../../../src/gateway/rpc/accounts.ts";
import { adminMethods } from "../../../src/gateway/rpc/admin.ts";
import { usageMethods } from "../../../src/gateway/rpc/usage.ts";
import { createRpcDoor } from "../../../src/gateway/rpc-door.ts";
import { AccountService } from "../../../src/gen/optamil/v1/accounts_pb.ts";
import { AdminService } from "../../../src/gen/optamil/v1/admin_pb.ts";
import { UsageService } from "../../../src/gen/optamil/v1/usage_pb.ts";
import { scopes } from "../../../src/keys/scopes.ts";
import { unauthenticated } from "../../../src/keys/unauthenticated.ts";
import type { Caller } from "../../../src/keys/verify.ts";
import { Attempts } from "../../../src/platform/attempts.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { OptamilError } from "../../../src/platform/errors.ts";
import { openLog } from "../../../src/platform/log.ts";
import { type AccountRoom, openAccountRoom } from "../../directory/account-room.ts";

/** What a test turns. */
export type AccountDoors = {
  /** Base URL of both doors. */
  readonly url: string;
  readonly room: AccountRoom;
  /** Calls a REST route with a key; undefined: none. */
  rest(
    key: string | undefined,
    route: string,
    body?: object,
  ): Promise<{ status: number; body: unknown }>;
  readonly admin: Client<typeof AdminService>;
  readonly signUp: Client<typeof AccountService>;
  /** What the warehouse was asked. */
  readonly asked: unknown[];
  close(): Promise<void>;
};

/** The keys that the doors know: one may do everything, one only chat. */
export const adminKey = "sk-admin";
export const chatKey = "sk-chat";

const usage: AccountUsage = {
  periodId: "2026-11",
  periodStartMs: Date.UTC(2026, 10),
  periodEndMs: Date.UTC(2026, 11),
  usedByTierMicro: { free: 0n, budget: 0n, mid: 2_000_000n, premium: 0n, ultra: 0n },
  usedMicro: 2_000_000n,
  remainingMicro: 498_000_000n,
  totalMicro: 500_000_000n,
  heldMicro: 0n,
};

const callers: Readonly<Record<string, Caller | undefined>> = {
  [adminKey]: toCaller("admin key id", scopes),
  [chatKey]: toCaller("chat key id", ["chat"]),
};

/** Opens the doors on a free port. */
export async function openAccountDoors({ signUpOpen = true } = {}): Promise<AccountDoors> {
  const room = await openAccountRoom();
  const asked: unknown[] = [];
  const entries = [
    ...accountMethods({
      signUp: createSignUp({
        accounts: room.accounts,
        mode: signUpOpen ? "open" : "closed",
        passwords: createPasswordRoom(),
        attempts: new Attempts({ perMinuteMax: 60, clock: room.clock }),
        readInvitation: refuse,
      }),
      signIn: refuse,
      endSession: refuse,
      accounts: room.accounts,
      limitsOf: refuse,
      secure: () => false,
    }),
    ...adminMethods({
      ...{ accounts: room.accounts, invite: refuse, ...fakeWarehouse(asked) },
      manager: { list: refuse, revoke: refuse },
      desk: { list: refuse, set: refuse, remove: refuse },
    }),
    ...usageMethods(() => usage),
  ];
  const log = openLog("silent");
  const common = {
    entries,
    gate: { verify, failures: new Attempts({ perMinuteMax: 1_000, clock: systemClock }) },
    clock: systemClock,
    bodyBytesMax: 100_000,
    answerTimeoutMs: 5_000,
    onError: ({ cause }: OptamilError) => asked.push(cause),
    rates: { admitRead: async () => {}, current: () => Promise.reject(new Error("no counters")) },
  };
  const services = [AccountService, AdminService, UsageService];
  const listener = await listen(
    createDoor({
      rest: createRestDoor({ ...common, pages: new Map() }),
      rpc: createRpcDoor({ ...common, register: [] }),
      rpcServices: services.map(({ typeName }) => typeName),
      corsOrigins: [],
      clock: systemClock,
      observe: () => {},
      createRequestId: () => "request",
    }),
  );
  const transport = createConnectTransport({ baseUrl: listener.url, httpVersion: "1.1" });
  return {
    url: listener.url,
    room,
    asked,
    rest: (key, route, body) => callRest(listener.url, key, route, body),
    admin: createClient(AdminService, transport),
    signUp: createClient(AccountService, transport),
    async close() {
      await listener.close({ drainMs: 0 });
      await room.close();
      await log.close();
    },
  };
}

function refuse(): never {
  throw new Error("the test did not expect this call");
}

function toCaller(keyId: string, scopes: readonly string[]): Caller {
  return {
    accountId: "operator",
    keyId,
    plan: "business",
    scopes,
    models: undefined,
    expiresAt: 0,
  };
}

function verify(credential: string): Caller {
  const caller = callers[credential];
  if (caller === undefined) throw unauthenticated("not a key of the test");
  return caller;
}

const systemReport = {
  ...{ version: "1.2.3", runtime: "node 24", gatewayId: "one", startedAt: 1_700_000_000n },
  config: { version: "none", loadedAt: 1_700_000_001n },
  parts: [{ part: "warehouse", status: "ok", message: "answers" }],
  log: { events: 7n, unconfirmed: 2n, fill: 0.25 },
  holds: { open: 1, heldMicro: 1_500_000n },
  books: { periodId: "2026-11", driftMicro: 0n },
};

function fakeWarehouse(asked: unknown[]) {
  return {
    refund: async (accountId: string, eventId: string) => {
      asked.push(["refund", accountId, eventId]);
      return { refundEventId: "refund id", periodId: "2026-11", refundedMicro: 1_500_000n };
    },
    sql: async (text: string, format: string | undefined) => {
      asked.push(["sql", text, format]);
      if (text === "DROP") throw new OptamilError("invalid_request", "Only statements that read.");
      return '{"a":1}\n';
    },
    system: async () => systemReport,
    audit: async () => [{ audit: "sums", severity: "error", message: "a sum is wrong" } as const],
  };
}

async function callRest(
  url: string,
  key: string | undefined,
  route: string,
  body: object | undefined,
): Promise<{ status: number; body: unknown }> {
  const [method = "", path = ""] = route.split(" ");
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}
