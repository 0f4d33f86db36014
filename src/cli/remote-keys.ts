// The key operations through a gateway that runs.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { KeyService } from "../gen/optamil/v1/keys_pb.ts";
import type { KeyOperations } from "./command.ts";

/** A local gateway answers in milliseconds; this bounds one that hangs. */
const timeoutMs = 10_000;

/** KeyService of the gateway at `url`, called with `key`. */
export function openRemoteKeys(url: string, key: string): KeyOperations {
  const transport = createConnectTransport({
    baseUrl: url,
    httpVersion: "1.1",
    defaultTimeoutMs: timeoutMs,
  });
  const client = createClient(KeyService, transport);
  const options = { headers: { authorization: `Bearer ${key}` } };
  return {
    async create(request) {
      const { key, info } = await client.createKey(request, options);
      if (info === undefined) throw new Error("the gateway answered without the key's info");
      return { key, info };
    },
    list: async () => (await client.listKeys({}, options)).data,
    async revoke(keyId, reason) {
      const { info } = await client.revokeKey({ keyId, reason }, options);
      if (info === undefined) throw new Error("the gateway answered without the key's info");
      return info;
    },
    async rotate(keyId, overlapSeconds) {
      const wanted = { keyId, ...(overlapSeconds !== undefined && { overlapSeconds }) };
      const { key, info, previous } = await client.rotateKey(wanted, options);
      if (info === undefined || previous === undefined) {
        throw new Error("the gateway answered without the keys' infos");
      }
      return { key, info, previous };
    },
    close: async () => {},
  };
}
