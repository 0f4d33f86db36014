// KeyService: the operations on keys for the caller's account.
import { create } from "@bufbuild/protobuf";
import {
  CreateKeyResponseSchema,
  KeyService,
  ListKeysResponseSchema,
  RevokeKeyResponseSchema,
  RotateKeyResponseSchema,
} from "../../gen/optamil/v1/keys_pb.ts";
import type { Actor, KeyManager } from "../../keys/manage.ts";
import { type Exchange, type MethodEntry, unary } from "../exchange.ts";

/** The methods of KeyService. */
export function keyMethods(manager: KeyManager): readonly MethodEntry[] {
  return [
    unary(KeyService.method.createKey, async (request, exchange) =>
      create(CreateKeyResponseSchema, await manager.create(request, actorOf(exchange))),
    ),
    unary(KeyService.method.listKeys, (_request, exchange) =>
      create(ListKeysResponseSchema, {
        object: "list",
        data: [...manager.list(actorOf(exchange))],
      }),
    ),
    unary(KeyService.method.revokeKey, async ({ keyId, reason }, exchange) =>
      create(RevokeKeyResponseSchema, {
        info: await manager.revoke(keyId, reason, actorOf(exchange)),
      }),
    ),
    unary(KeyService.method.rotateKey, async ({ keyId, overlapSeconds }, exchange) =>
      create(
        RotateKeyResponseSchema,
        await manager.rotate(keyId, overlapSeconds, actorOf(exchange)),
      ),
    ),
  ];
}

function actorOf({ caller }: Exchange): Actor {
  const { accountId, keyId: name, scopes, models, tiers, limits } = caller;
  return { accountId, name, scopes, models, tiers, limited: limits !== undefined };
}
