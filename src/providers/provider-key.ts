// Finds the key of a provider where its configuration says: in the environment or in a file.
import type { ProviderPreset } from "../catalogue/presets.ts";
import type { ProviderConfig } from "../gen/optamil/config/v1/config_pb.ts";
import type { Environment } from "../platform/settings.ts";
import type { FileContents } from "../platform/watched-files.ts";

/** Where keys are. */
export type KeySources = {
  readonly environment: Environment;
  /** What the files of `keyFilesOf` hold. */
  readonly keyFiles: FileContents;
};

/** A key, or none because none is needed, or what is wrong. */
export type ProviderKey = {
  readonly apiKey: string | undefined;
  readonly problems: readonly string[];
};

/** No key is sent. */
export const noKey: ProviderKey = { apiKey: undefined, problems: [] };

/** Longest key in a file, characters. */
const keyCharactersMax = 16_384;

/** The files that these providers take their keys from. */
export function keyFilesOf(configs: readonly ProviderConfig[]): string[] {
  return configs.flatMap(({ apiKeyFile }) => (apiKeyFile === "" ? [] : apiKeyFile));
}

/** The key of a configured provider; `path` is where it stands in the configuration. */
export function findKey(
  config: ProviderConfig,
  preset: ProviderPreset | undefined,
  sources: KeySources,
  path: string,
): ProviderKey {
  const { apiKeyEnv, apiKeyFile, baseUrl } = config;
  if (apiKeyEnv !== "" && apiKeyFile !== "") {
    return { ...noKey, problems: [`${path}.apiKeyFile: give this or apiKeyEnv, not both`] };
  }
  if (apiKeyFile !== "") return readKeyFile(sources, apiKeyFile, `${path}.apiKeyFile`);
  if (apiKeyEnv !== "") return readKeyVariable(sources, apiKeyEnv, `${path}.apiKeyEnv`);
  if (preset === undefined) return noKey;
  // A preset's name with another address is somebody's own server, which may want no key.
  const isOwn = baseUrl !== "" && !sources.environment[preset.apiKeyEnv];
  return isOwn ? noKey : readKeyVariable(sources, preset.apiKeyEnv, path);
}

/** The key in a variable. */
export function readKeyVariable(
  { environment }: KeySources,
  variable: string,
  path: string,
): ProviderKey {
  const apiKey = environment[variable]?.trim();
  if (!apiKey) return { ...noKey, problems: [`${path}: the variable ${variable} is not set`] };
  return toKey(apiKey, `${path}: the key in ${variable}`);
}

function readKeyFile({ keyFiles }: KeySources, file: string, path: string): ProviderKey {
  const content = keyFiles.get(file) ?? { problem: "it was not read" };
  if ("problem" in content) {
    return { ...noKey, problems: [`${path}: cannot read ${file}: ${content.problem}`] };
  }
  const apiKey = content.text.trim();
  if (apiKey === "") return { ...noKey, problems: [`${path}: the file ${file} is empty`] };
  return toKey(apiKey, `${path}: the key in ${file}`);
}

/** Problems never show the key itself. */
function toKey(apiKey: string, subject: string): ProviderKey {
  if (apiKey.length > keyCharactersMax) {
    return { ...noKey, problems: [`${subject} is longer than ${keyCharactersMax} characters`] };
  }
  if (/^[\x21-\x7e]+$/.test(apiKey)) return { apiKey, problems: [] };
  return { ...noKey, problems: [`${subject} has characters that no header can carry`] };
}
