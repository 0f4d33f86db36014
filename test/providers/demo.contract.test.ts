import { systemClock } from "../../src/platform/clock.ts";
import { openDemo } from "../../src/providers/demo.ts";
import { testProviderContract } from "../contracts/provider.ts";

testProviderContract("demo", async () => {
  const provider = openDemo({ name: "demo", clock: systemClock });
  return { provider, close: () => provider.close() };
});
