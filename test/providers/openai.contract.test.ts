import { openOpenAi } from "../../src/providers/openai.ts";
import { testProviderContract } from "../contracts/provider.ts";
import { openUpstream } from "../fakes/openai-upstream.ts";

for (const relay of ["verbatim", "normalised"] as const) {
  testProviderContract(`openai, ${relay},`, async () => {
    const upstream = await openUpstream();
    const provider = openOpenAi({
      name: "fake",
      baseUrl: upstream.baseUrl,
      apiKey: "sk-test-key",
      relay,
      connectTimeoutMs: 5_000,
      silenceTimeoutMs: 10_000,
    });
    const close = async () => {
      await provider.close();
      await upstream.close();
    };
    return { provider, close };
  });
}
