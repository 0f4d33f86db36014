/** The plans an account can be on: what each grants in a month and how fast it may be used. */

/** One plan. Credits are in micro-credits: 1 credit is 1,000,000 of them. */
export interface Plan {
  /** Lower-case id, as accounts and the configuration name it. */
  readonly name: string;
  /** Granted at the start of each billing month; absent where a contract sets it. */
  readonly creditsPerMonthMicro?: bigint;
  readonly requestsPerMinute: number;
  /** Counted over the UTC day. */
  readonly requestsPerDay: number;
  /** Input and output tokens together. */
  readonly tokensPerMinute: number;
}

/** The built-in plans, smallest first: the limits are the public API's table "Rate Limits". */
export const plans: readonly Plan[] = [
  {
    name: "free",
    creditsPerMonthMicro: 500_000_000n,
    requestsPerMinute: 10,
    requestsPerDay: 200,
    tokensPerMinute: 40_000,
  },
  {
    name: "starter",
    creditsPerMonthMicro: 10_000_000_000n,
    requestsPerMinute: 60,
    requestsPerDay: 5_000,
    tokensPerMinute: 200_000,
  },
  {
    name: "pro",
    creditsPerMonthMicro: 100_000_000_000n,
    requestsPerMinute: 300,
    requestsPerDay: 50_000,
    tokensPerMinute: 1_000_000,
  },
  {
    name: "business",
    creditsPerMonthMicro: 1_000_000_000_000n,
    requestsPerMinute: 1_000,
    requestsPerDay: 200_000,
    tokensPerMinute: 5_000_000,
  },
  {
    // The contract sets the grant, and the limits too: until it does, they are those of Business.
    name: "enterprise",
    requestsPerMinute: 1_000,
    requestsPerDay: 200_000,
    tokensPerMinute: 5_000_000,
  },
];
