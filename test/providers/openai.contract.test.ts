import { testOpenAiContract } from "./openai-fixture.ts";

for (const relay of ["verbatim", "normalised"] as const) {
  testOpenAiContract(`openai, ${relay},`, { relay });
}
