// Signing in, by password or by key.
import { type FormEvent, useState } from "react";
import { useAction } from "../api/load.ts";
import { useSession } from "../api/session.tsx";
import { Link, navigate, useQuery } from "../navigation.tsx";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { Card, FailureNotice, Notice, PageHead } from "../ui/layout.tsx";
import { Tabs } from "../ui/tabs.tsx";

/** The page at which people sign in. */
export default function SignIn() {
  const { session } = useSession();
  return (
    <>
      <Card>
        <PageHead title="Sign in" />
        <div className="stack">
          {session.state === "out" && session.ended && (
            <Notice tone="warn">Your session has ended. Please sign in again.</Notice>
          )}
          <Tabs
            label="How to sign in"
            tabs={[
              { name: "With a password", content: <PasswordForm /> },
              { name: "With an API key", content: <KeyForm /> },
            ]}
          />
        </div>
      </Card>
      <p className="muted row" style={{ justifyContent: "center" }}>
        No account yet? <Link href="/sign-up">Sign up</Link>
      </p>
    </>
  );
}

/** Where the reader wanted to go: a path of this console, never another site. */
function useTarget(): string {
  const wanted = useQuery().get("to") ?? "/";
  return /^\/(?![/\\])/.test(wanted) ? wanted : "/";
}

function PasswordForm() {
  const { signIn } = useSession();
  const { busy, failure, run } = useAction();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const target = useTarget();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await run(() => signIn(email, password))) navigate(target);
  };
  return (
    <form className="stack" onSubmit={(event) => void submit(event)}>
      <TextField
        label="E-mail address"
        type="email"
        autoComplete="username"
        required
        value={email}
        onChange={(event) => setEmail(event.target.value)}
      />
      <TextField
        label="Password"
        type="password"
        autoComplete="current-password"
        required
        value={password}
        onChange={(event) => setPassword(event.target.value)}
      />
      <FailureNotice failure={failure} />
      <Button kind="primary" type="submit" busy={busy}>
        Sign in
      </Button>
    </form>
  );
}

function KeyForm() {
  const { signInWithKey } = useSession();
  const { busy, failure, run } = useAction();
  const [key, setKey] = useState("");
  const target = useTarget();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await run(() => signInWithKey(key.trim()))) navigate(target);
  };
  return (
    <form className="stack" onSubmit={(event) => void submit(event)}>
      <TextField
        label="API key"
        className="input mono"
        type="password"
        autoComplete="off"
        placeholder="sk-optamil-…"
        required
        value={key}
        onChange={(event) => setKey(event.target.value)}
        hint="Kept in this tab until it is closed, and nowhere else. The first start's key, in the file first-key of the data folder, opens the pages of operators too."
      />
      <FailureNotice failure={failure} />
      <Button kind="primary" type="submit" busy={busy}>
        Sign in with the key
      </Button>
    </form>
  );
}
