/** What a fault is, and whose: the providers that have them. */
import type { Play } from "../../fakes/openai-upstream.ts";

/**
 * What the gateway waits for the providers of these faults, milliseconds: short, as nearly each of them is waited out,
 * and long for a machine that is busy.
 */
const hastyTimeouts = { firstTokenMs: 1_500, silenceMs: 1_000, totalMs: 3_000 };

/** What a client sees: a whole answer, one that breaks off with an error, or none. */
export type Seen = {
  readonly end: "complete" | "broken" | "refused";
  readonly text: string;
  /** The type of the error; undefined: there is none. */
  readonly type?: string | undefined;
};

/** The providers that have faults. Who stalls is not waited for long. */
export const faultyProviders = {
  openai: { kind: "openai", relay: "verbatim" },
  normalised: { kind: "openai", relay: "normalised" },
  anthropic: { kind: "anthropic" },
  gemini: { kind: "gemini" },
  hasty: { kind: "openai", relay: "verbatim", timeouts: hastyTimeouts },
  "hasty-anthropic": { kind: "anthropic", timeouts: hastyTimeouts },
  "hasty-gemini": { kind: "gemini", timeouts: hastyTimeouts },
} as const;

/** One fault. */
export type Fault = {
  readonly name: string;
  readonly kind: keyof typeof faultyProviders;
  readonly unary?: readonly [Play, Seen];
  readonly stream?: readonly [Play, Seen];
};
