// The generation of a Gemini model, which some of the API's words depend on.

/** 3 for `gemini-3.1-pro-preview`; 0 where the name has no version. */
export function majorVersion(upstreamModel: string): number {
  return Number(/gemini-(\d+)/.exec(upstreamModel)?.[1] ?? 0);
}
