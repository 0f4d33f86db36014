/** A fake upstream for each test, and providers that reach it. */
import { afterEach, beforeEach } from "vitest";
import { type OpenAiOptions, openOpenAi } from "../../src/providers/openai.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { testProviderContract } from "../contracts/provider.ts";
import { type OpenAiUpstream, openUpstream, type Play } from "../fakes/openai-upstream.ts";

/** The key that the providers send. */
export const apiKey = "secret-key-of-the-provider";

/** The upstream of the running test. */
export type OpenAiFixture = {
  readonly upstream: OpenAiUpstream;
  /** A provider that reaches it, closed after the test. */
  open(options?: Partial<OpenAiOptions>): Provider;
};

/** Opens an upstream before each test of the file and closes it, with the providers, after it. */
export function useOpenAi(): OpenAiFixture {
  let upstream: OpenAiUpstream | undefined;
  let opened: Provider[] = [];
  beforeEach(async () => {
    upstream = await openUpstream();
    opened = [];
  });
  afterEach(async () => {
    for (const provider of opened) await provider.close();
    await upstream?.close();
  });
  return {
    get upstream() {
      if (upstream === undefined) throw new Error("no test runs");
      return upstream;
    },
    open(options = {}) {
      const provider = openFake(this.upstream.baseUrl, options);
      opened.push(provider);
      return provider;
    },
  };
}

/** Longer than any test. */
export const defaultTimeouts = {
  ...{ connectMs: 5_000, firstTokenMs: 10_000, silenceMs: 10_000 },
  totalMs: undefined,
};

/** Runs the contract of providers on the adapter with these options. */
export function testOpenAiContract(
  name: string,
  options: Partial<OpenAiOptions>,
  play?: Play,
  bounds: { readonly choicesMax?: number } = {},
): void {
  testProviderContract(
    name,
    async () => {
      const upstream = await openUpstream(play);
      const provider = openFake(upstream.baseUrl, options);
      const close = async () => {
        await provider.close();
        await upstream.close();
      };
      return { provider, close };
    },
    bounds,
  );
}

function openFake(baseUrl: string, options: Partial<OpenAiOptions>): Provider {
  return openOpenAi({
    ...{ name: "fake", baseUrl, apiKey, relay: "verbatim", version: "1.2.3" },
    timeouts: defaultTimeouts,
    ...options,
  });
}
