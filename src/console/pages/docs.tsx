// The guide: how to use the API, with examples that run.
import { type ReactNode, useState } from "react";
import { ExampleCard } from "../docs/example-card.tsx";
import { examples } from "../docs/examples.ts";
import { ParameterTable } from "../docs/parameters.tsx";
import { ErrorTable, PlanTable, TierTable } from "../docs/tables.tsx";
import { Link } from "../navigation.tsx";
import { TextField } from "../ui/field.tsx";
import { Card, PageHead } from "../ui/layout.tsx";

/** The page of the guide. */
export default function Docs() {
  const [apiKey, setApiKey] = useState("");
  const run = (name: keyof typeof examples) => (
    <ExampleCard example={examples[name]} apiKey={apiKey} />
  );
  return (
    <>
      <PageHead
        title="Guide"
        lead="An OpenAI client, another base URL, one key. Every example here runs."
      />
      <div className="stack wide prose">
        <Card>
          <TextField
            label="Your API key"
            type="password"
            autoComplete="off"
            placeholder="sk-optamil-…"
            className="input mono"
            value={apiKey}
            onChange={(event) => setApiKey(event.target.value)}
            hint={
              <>
                Fills the examples in, and pays for them. It is forgotten when you leave this page;
                without one they run as whoever is signed in. <Link href="/keys">Make a key</Link>
              </>
            }
          />
        </Card>
        <Begin run={run} />
        <Chat run={run} />
        <OtherApis run={run} />
        <Looks run={run} />
        <Bounds />
      </div>
    </>
  );
}

type Run = (name: keyof typeof examples) => ReactNode;

function Begin({ run }: { readonly run: Run }) {
  return (
    <>
      <Card title="The first request">
        <div className="stack">
          <p>
            The base URL is <code>{location.origin}/v1</code>. With <code>auto</code> as its model a
            request goes to the cheapest model that will do; the field <code>model</code> of the
            answer names it, and the header <code>x-optamil-route</code> says why.
          </p>
          {run("first")}
        </div>
      </Card>
      <Card title="Who asks">
        <div className="stack">
          <p>
            Each call carries a key, in one of two headers:{" "}
            <code>Authorization: Bearer sk-optamil-…</code>, which is preferred, or{" "}
            <code>X-API-Key: sk-optamil-…</code>. A key has scopes; without the right one a call is
            refused with 403.
          </p>
        </div>
      </Card>
    </>
  );
}

function Chat({ run }: { readonly run: Run }) {
  return (
    <>
      <Card title="Chat completions">
        <div className="stack">
          <p>
            <code>POST /v1/chat/completions</code> takes what OpenAI's API takes. What most requests
            need:
          </p>
          <ParameterTable />
          <p>
            Everything else is in the <Link href="/docs/rest">REST reference</Link>. Over gRPC and
            Connect the same service is <code>optamil.v1.ChatService</code>: see its{" "}
            <Link href="/docs/grpc">reference</Link>.
          </p>
        </div>
      </Card>
      <Card title="Streaming">
        <div className="stack">
          <p>
            With <code>stream: true</code> the answer comes as server-sent events and ends with{" "}
            <code>[DONE]</code>. A stream without it was cut, and says so in an error frame.
          </p>
          {run("streaming")}
        </div>
      </Card>
      <Card title="JSON">
        <div className="stack">
          <p>
            With <code>response_format</code> <code>json_object</code> the answer is one JSON
            object.
          </p>
          {run("json")}
        </div>
      </Card>
      <Card title="A model by its name">
        <div className="stack">
          <p>
            Named, a model answers itself, and the router has no say.{" "}
            <Link href="/models">All models</Link>
          </p>
          {run("named")}
        </div>
      </Card>
      <Card title="How good auto must be">
        <div className="stack">
          <p>
            <code>optamil.quality</code> goes from 0, the cheapest model that can serve, to 1, the
            best. Without it the key's counts, else the account's, else the gateway's.{" "}
            <Link href="/docs/router">How the router decides</Link>
          </p>
          {run("quality")}
        </div>
      </Card>
    </>
  );
}

function OtherApis({ run }: { readonly run: Run }) {
  return (
    <>
      <Card title="Responses">
        <div className="stack">
          <p>
            <code>POST /v1/responses</code> is OpenAI's newer form of a chat, with items and typed
            events, over every model and <code>auto</code>. Nothing is kept here: send the whole
            conversation with each request.
          </p>
          {run("responses")}
        </div>
      </Card>
      <Card title="Messages">
        <div className="stack">
          <p>
            <code>POST /v1/messages</code> is Anthropic's form, over every model and{" "}
            <code>auto</code>. Its clients take <code>{location.origin}</code> as their base URL.
          </p>
          {run("messages")}
        </div>
      </Card>
      <Card title="Embeddings">
        <div className="stack">
          <p>
            <code>POST /v1/embeddings</code> makes vectors of texts, with models of their own that{" "}
            <code>auto</code> never picks.
          </p>
          {run("embeddings")}
        </div>
      </Card>
      <Card title="Feedback">
        <div className="stack">
          <p>
            <code>POST /v1/feedback</code> says how good an answer was, by the{" "}
            <code>x-request-id</code> of the answer. It is free of charge, and found in the
            warehouse; a request can be rated about a second after its end.
          </p>
          {run("feedback")}
        </div>
      </Card>
    </>
  );
}

function Looks({ run }: { readonly run: Run }) {
  return (
    <>
      <Card title="Models">
        <div className="stack">
          <p>
            <code>GET /v1/models</code> lists what can be asked for, with price, window and
            abilities. It is free of charge.
          </p>
          {run("models")}
          <TierTable />
        </div>
      </Card>
      <Card title="Usage">
        <div className="stack">
          <p>
            <code>GET /v1/usage</code> tells what the current period has used and what is left, the
            request before included. It is free of charge.
          </p>
          {run("usage")}
        </div>
      </Card>
    </>
  );
}

function Bounds() {
  return (
    <>
      <Card title="Charges">
        <div className="stack">
          <p>
            By default a chat request costs 1 credit, whatever model answers; the operator may have
            another schedule. A request that fails before its first token is free. What a request
            may cost is held when it is admitted, so that an account never uses more than it has;
            the answer's header <code>x-optamil-credits</code> names the charge (on a stream's head
            the hold).
          </p>
          <p>
            <code>Idempotency-Key</code> makes a repeated request one answer and one charge, for 24
            hours. <code>X-Optamil-Tag</code> counts it under a name of yours.
          </p>
        </div>
      </Card>
      <Card title="Limits" flush>
        <div className="padded">
          <p>
            The plan says how fast an account may ask; an operator may have changed these. Each
            answer has <code>X-RateLimit-Limit</code>, <code>-Remaining</code> and{" "}
            <code>-Reset</code>. What is too fast is refused with 429 and <code>Retry-After</code>.
          </p>
        </div>
        <PlanTable />
      </Card>
      <Card title="Errors" flush>
        <div className="padded">
          <p>
            A refusal is <code>{'{"error": {"message", "type", "param", "code"}}'}</code> with the
            status as its code; over gRPC and Connect the same as a status with{" "}
            <code>google.rpc.ErrorInfo</code>.
          </p>
        </div>
        <ErrorTable />
      </Card>
    </>
  );
}
