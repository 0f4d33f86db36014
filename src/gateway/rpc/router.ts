// RouterService: what the router would decide, without a call to anybody.
import { create } from "@bufbuild/protobuf";
import { findRoute, type Route, type RouteParts } from "../../chat/route.ts";
import {
  type ExplainRouteResponse,
  ExplainRouteResponseSchema,
  RouterService,
} from "../../gen/optamil/v1/router_pb.ts";
import { type MethodEntry, unary } from "../exchange.ts";

/** The methods of RouterService; the parts are asked for at each request. */
export function routerMethods(parts: () => RouteParts): readonly MethodEntry[] {
  return [
    unary(RouterService.method.explainRoute, (request, exchange) =>
      toMessage(findRoute({ ...exchange, request, stream: false }, parts())),
    ),
  ];
}

function toMessage({ candidates, decision }: Route): ExplainRouteResponse {
  const [first] = candidates;
  return create(ExplainRouteResponseSchema, {
    models: [...new Set(candidates.map(({ model }) => model.name))],
    tier: first?.model.tier ?? "",
    ...(decision && {
      scorer: decision.scorer,
      quality: decision.quality,
      lambda: decision.lambda,
      need: decision.need,
      chances: decision.p,
      costUsd: decision.costUsd,
      margin: decision.margin,
      reasons: decision.reasons,
      feasible: decision.feasibleCount,
    }),
  });
}
