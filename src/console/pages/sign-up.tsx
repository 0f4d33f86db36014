// Opening an account.
import { type FormEvent, useState } from "react";
import { useAction } from "../api/load.ts";
import { accountClient, useSession } from "../api/session.tsx";
import { Link, navigate, useQuery } from "../navigation.tsx";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { Card, FailureNotice, PageHead } from "../ui/layout.tsx";
import { Secret } from "../ui/secret.tsx";

/** The page at which people sign up. */
export default function SignUp() {
  const [key, setKey] = useState<string | undefined>(undefined);
  if (key !== undefined) return <FirstKey secret={key} />;
  return (
    <>
      <Card>
        <PageHead
          title="Sign up"
          lead="An account of plan Free, with its first key. No card, no e-mail to confirm."
        />
        <SignUpForm onKey={setKey} />
      </Card>
      <p className="muted row" style={{ justifyContent: "center" }}>
        You have an account? <Link href="/sign-in">Sign in</Link>
      </p>
    </>
  );
}

function SignUpForm({ onKey }: { readonly onKey: (key: string) => void }) {
  const { signIn } = useSession();
  const { busy, failure, run } = useAction();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [invitation, setInvitation] = useState(useQuery().get("invitation") ?? "");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    await run(async () => {
      const made = await accountClient.signUp({ email, password, invitation: invitation.trim() });
      await signIn(email, password);
      onKey(made.key);
    });
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
        autoComplete="new-password"
        minLength={10}
        required
        value={password}
        onChange={(event) => setPassword(event.target.value)}
        hint="At least 10 characters."
      />
      <TextField
        label="Invitation (where the operator asks for one)"
        autoComplete="off"
        value={invitation}
        onChange={(event) => setInvitation(event.target.value)}
      />
      <FailureNotice failure={failure} />
      <Button kind="primary" type="submit" busy={busy}>
        Sign up
      </Button>
    </form>
  );
}

function FirstKey({ secret }: { readonly secret: string }) {
  return (
    <Card>
      <PageHead title="Your first key" />
      <div className="stack">
        <Secret secret={secret} />
        <Button kind="primary" onClick={() => navigate("/")}>
          I have kept it
        </Button>
      </div>
    </Card>
  );
}
