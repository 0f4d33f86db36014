// What the docs know of the API. The build (deploy/reference.ts) puts the tables of the sources here.
import type { Token } from "./markdown.tsx";

/** One service of the API. */
export type ServiceReference = {
  readonly name: string;
  readonly comment: string;
  readonly methods: readonly {
    readonly name: string;
    readonly comment: string;
    readonly input: string;
    readonly output: string;
    /** Whether the answer comes as a stream. */
    readonly streams: boolean;
    /** Scope that the credential needs; empty: the method is open to everybody. */
    readonly scope: string;
  }[];
};

/** One message of the API. */
export type MessageReference = {
  readonly name: string;
  readonly comment: string;
  readonly fields: readonly {
    readonly name: string;
    readonly type: string;
    readonly comment: string;
  }[];
};

/** All of it. */
export type Reference = {
  readonly services: readonly ServiceReference[];
  /** The messages that the services use. */
  readonly messages: readonly MessageReference[];
  /** The rows of the one table of refusals. */
  readonly errors: readonly {
    readonly name: string;
    readonly status: number;
    readonly type: string;
    /** Name of the code in Connect and gRPC. */
    readonly connect: string;
    readonly retry: boolean;
  }[];
  /** The built-in plans; undefined credits come by grants. */
  readonly plans: readonly {
    readonly name: string;
    readonly creditsPerMonth: number | undefined;
    readonly requestsPerMinute: number;
    readonly requestsPerDay: number;
    readonly tokensPerMinute: number;
  }[];
  readonly tiers: readonly {
    readonly name: string;
    /** US$ per million tokens. */
    readonly priceUsd: number;
    readonly bestFor: string;
  }[];
  /** docs/router.md, parsed. */
  readonly routerReport: readonly Token[];
};

/** The tables; empty where the console was not built. */
export const reference: Reference = {
  services: [],
  messages: [],
  errors: [],
  plans: [],
  tiers: [],
  routerReport: [],
};
