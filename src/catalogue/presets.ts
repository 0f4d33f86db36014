/** The providers Optamil knows by name: where each listens, how it speaks, and who holds its key. */

/** How a provider's API is spoken to. */
export type ProviderKind = "openai" | "anthropic" | "gemini";

/** One provider that needs no configuration but its key. */
export interface ProviderPreset {
  /** What the models' `provider` calls it. */
  readonly name: string;
  readonly kind: ProviderKind;
  /** Ends with the API's version where it has one, without a slash: "/chat/completions" follows. */
  readonly baseUrl: string;
  /** The environment variable that holds the API key; the provider is live once it is set. */
  readonly apiKeyEnv: string;
}

/** The provider presets, each name once. */
export const providerPresets: readonly ProviderPreset[] = [
  {
    name: "openai",
    kind: "openai",
    baseUrl: "https://api.openai.com/v1",
    apiKeyEnv: "OPENAI_API_KEY",
  },
  {
    name: "anthropic",
    kind: "anthropic",
    baseUrl: "https://api.anthropic.com/v1",
    apiKeyEnv: "ANTHROPIC_API_KEY",
  },
  {
    name: "gemini",
    kind: "gemini",
    baseUrl: "https://generativelanguage.googleapis.com/v1beta",
    apiKeyEnv: "GEMINI_API_KEY",
  },
  {
    name: "deepseek",
    kind: "openai",
    baseUrl: "https://api.deepseek.com",
    apiKeyEnv: "DEEPSEEK_API_KEY",
  },
  {
    name: "groq",
    kind: "openai",
    baseUrl: "https://api.groq.com/openai/v1",
    apiKeyEnv: "GROQ_API_KEY",
  },
  {
    name: "together",
    kind: "openai",
    baseUrl: "https://api.together.xyz/v1",
    apiKeyEnv: "TOGETHER_API_KEY",
  },
  {
    name: "mistral",
    kind: "openai",
    baseUrl: "https://api.mistral.ai/v1",
    apiKeyEnv: "MISTRAL_API_KEY",
  },
  {
    name: "xai",
    kind: "openai",
    baseUrl: "https://api.x.ai/v1",
    apiKeyEnv: "XAI_API_KEY",
  },
  {
    name: "cohere",
    kind: "openai",
    baseUrl: "https://api.cohere.ai/compatibility/v1",
    apiKeyEnv: "COHERE_API_KEY",
  },
  {
    name: "moonshot",
    kind: "openai",
    baseUrl: "https://api.moonshot.ai/v1",
    apiKeyEnv: "MOONSHOT_API_KEY",
  },
  {
    name: "zai",
    kind: "openai",
    baseUrl: "https://api.z.ai/api/paas/v4",
    apiKeyEnv: "ZAI_API_KEY",
  },
  {
    name: "minimax",
    kind: "openai",
    baseUrl: "https://api.minimax.io/v1",
    apiKeyEnv: "MINIMAX_API_KEY",
  },
  {
    name: "alibaba",
    kind: "openai",
    baseUrl: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    apiKeyEnv: "DASHSCOPE_API_KEY",
  },
  {
    name: "openrouter",
    kind: "openai",
    baseUrl: "https://openrouter.ai/api/v1",
    apiKeyEnv: "OPENROUTER_API_KEY",
  },
];
