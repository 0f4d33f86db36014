// One request: when which provider was called, what came of it, and how the router decided.

import type {
  GetLoggedRequestResponse,
  LoggedAttempt,
  LoggedRequest,
  LoggedRoute,
} from "../../gen/optamil/v1/analytics_pb.ts";
import { analyticsClient } from "../api/analytics.ts";
import { useLoad } from "../api/load.ts";
import { useScope } from "../api/session.tsx";
import { toCount, toCreditsText } from "../format/credits.ts";
import { toDollars } from "../format/figures.ts";
import { toDuration, toSecond } from "../format/time.ts";
import { Link } from "../navigation.tsx";
import { FactList } from "../ui/facts.tsx";
import { Card, Loaded, PageHead } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";
import { Tag, Tier } from "../ui/tier.tsx";
import { RouteExplanation } from "./explanation.tsx";
import { Outcome } from "./outcome.tsx";
import { RequestContent } from "./request-content.tsx";

/** The page of one request. */
export function RequestDetail({ requestId }: { readonly requestId: string }) {
  const { load, reload } = useLoad((signal) =>
    analyticsClient.getLoggedRequest({ requestId }, { signal }),
  );
  return (
    <>
      <PageHead title="Request" lead={<code>{requestId}</code>}>
        <Link className="button" href="/requests">
          All requests
        </Link>
      </PageHead>
      <Loaded load={load} reload={reload}>
        {(found) => <Found found={found} />}
      </Loaded>
    </>
  );
}

function Found({
  found: { request, attempts, route },
}: {
  readonly found: GetLoggedRequestResponse;
}) {
  const mayRead = useScope("keys:write");
  if (request === undefined) return null;
  return (
    <div className="stack wide">
      <Facts request={request} />
      <Timeline request={request} attempts={attempts} />
      {route !== undefined && <Decision route={route} />}
      {mayRead && request.kind === "request" && <RequestContent requestId={request.requestId} />}
    </div>
  );
}

function Facts({ request }: { readonly request: LoggedRequest }) {
  const facts = [
    ["When", toSecond(Date.parse(request.admittedAt))],
    ["Asked for", request.requestedModel],
    ["Answered by", request.model || "nobody"],
    ["Provider", request.provider || "–"],
    ["HTTP status", String(request.httpStatus)],
    ["Credits", toCreditsText(request.creditsMicro)],
    ["Providers' list price", toDollars(request.providerCostNanousd)],
    [
      `At ${request.baselineModel || "the strongest model"}`,
      toDollars(request.baselineCostNanousd),
    ],
    ["Tokens of the prompt", toCount(request.promptTokens)],
    ["Tokens of the answer", toCount(request.completionTokens)],
    ["Tag", request.tag || "–"],
    ["Key", `…${request.keyId.slice(-12)}`],
    ["x-request-id", request.requestId],
  ] as const;
  return (
    <Card
      title="What came of it"
      tools={
        <span className="row">
          <Tier name={request.tier} />
          <Outcome outcome={request.outcome || request.kind} />
        </span>
      }
    >
      <FactList facts={facts} />
    </Card>
  );
}

type TimelineProps = {
  readonly request: LoggedRequest;
  readonly attempts: readonly LoggedAttempt[];
};

/** The calls to providers; a request that called none has one bar of its own. */
function callsOf({
  request,
  attempts,
}: TimelineProps): readonly Omit<LoggedAttempt, "$typeName">[] {
  if (attempts.length > 0) return attempts;
  const { model, requestedModel, provider, httpStatus: status, durationMs } = request;
  const latencyMs = Number(durationMs);
  return [
    { model: model || requestedModel, provider, status, startMs: 0n, latencyMs, errorClass: "" },
  ];
}

function Timeline({ request, attempts }: TimelineProps) {
  const whole = Math.max(1, Number(request.durationMs));
  const percent = (milliseconds: number) => `${Math.min(100, (milliseconds / whole) * 100)}%`;
  return (
    <Card title="Timeline" tools={<span className="muted small">{toDuration(whole)} in all</span>}>
      <ol className="timeline">
        {callsOf({ request, attempts }).map((attempt) => (
          <li key={`${attempt.startMs} ${attempt.model} ${attempt.provider}`}>
            <div className="row between">
              <span>
                <strong className="wrap">{attempt.model}</strong>{" "}
                <span className="muted">{attempt.provider && `at ${attempt.provider}`}</span>
              </span>
              <span className="row">
                {attempt.errorClass !== "" && <Tag tone="bad">{attempt.errorClass}</Tag>}
                <span className="small muted number">
                  {attempt.status === 0 ? "no status" : attempt.status},{" "}
                  {toDuration(attempt.latencyMs)}
                </span>
              </span>
            </div>
            <div className="bar" aria-hidden>
              <span
                className={attempt.errorClass === "" ? "" : "ultra"}
                style={{
                  marginLeft: percent(Number(attempt.startMs)),
                  width: `max(2px, ${percent(attempt.latencyMs)})`,
                }}
              />
            </div>
          </li>
        ))}
      </ol>
      {request.ttftMs > 0 && (
        <p className="small muted">First text after {toDuration(request.ttftMs)}.</p>
      )}
    </Card>
  );
}

function Decision({ route }: { readonly route: LoggedRoute }) {
  return (
    <Card title="Why this model">
      <div className="stack">
        <RouteExplanation text={route.explanation} />
        <Table
          caption="Models that the router looked at"
          rows={route.ranked}
          keyOf={({ model }) => model}
          columns={[
            { title: "Model, best first", cell: ({ model }) => model },
            { title: "Tier", cell: ({ tier }) => <Tier name={tier} /> },
            { title: "Worth", right: true, cell: ({ worth }) => worth.toFixed(4) },
            {
              title: "Expected cost",
              right: true,
              cell: ({ costNanousd }) => toDollars(costNanousd),
            },
          ]}
        />
        <p className="small muted">
          Weights {route.weights}; {toCount(route.feasible)} models could serve.
        </p>
      </div>
    </Card>
  );
}
