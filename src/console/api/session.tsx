// Who is signed in, for all pages.
import { createClient } from "@connectrpc/connect";
import {
  createContext,
  type ReactNode,
  use,
  useCallback,
  useEffect,
  useMemo,
  useState,
} from "react";
import { AccountService, type GetAccountResponse } from "../../gen/optamil/v1/accounts_pb.ts";
import { bearerOf, keepSignedInKey, refusals, transport } from "./transport.ts";

/** The client of AccountService. */
export const accountClient = createClient(AccountService, transport);

/** Who is signed in: not known yet, nobody, or an account by a session or a key. */
export type Session =
  | { readonly state: "unknown" }
  | { readonly state: "out"; readonly ended: boolean }
  | { readonly state: "in"; readonly who: GetAccountResponse };

/** The session, and what changes it. */
export type SessionRoom = {
  readonly session: Session;
  /** Opens a session by e-mail address and password: its cookie is out of reach of scripts. */
  readonly signIn: (email: string, password: string) => Promise<void>;
  /** Signs in by a key, which this tab keeps until it is closed. Throws when it is refused. */
  readonly signInWithKey: (key: string) => Promise<void>;
  readonly signOut: () => Promise<void>;
};

const SessionContext = createContext<SessionRoom | undefined>(undefined);

/** The session of the page. */
export function useSession(): SessionRoom {
  const room = use(SessionContext);
  if (room === undefined) throw new Error("there is no session around this component");
  return room;
}

/** The account that is signed in; pages behind the sign-in always have one. */
export function useAccount(): GetAccountResponse {
  const { session } = useSession();
  if (session.state !== "in") throw new Error("nobody is signed in");
  return session.who;
}

/** Whether the credential has a scope. */
export function useScope(scope: string): boolean {
  const { session } = useSession();
  return session.state === "in" && session.who.scopes.includes(scope);
}

/** Gives the session to everything within. */
export function SessionProvider({ children }: { readonly children: ReactNode }) {
  const [session, setSession] = useState<Session>({ state: "unknown" });
  const look = useCallback(async () => {
    const who = await accountClient.getAccount({}).catch(() => undefined);
    setSession(who === undefined ? { state: "out", ended: false } : { state: "in", who });
  }, []);
  useEffect(() => {
    void look();
    const end = () => {
      keepSignedInKey(undefined);
      setSession((old) => ({ state: "out", ended: old.state === "in" }));
    };
    refusals.addEventListener("signed-out", end);
    return () => refusals.removeEventListener("signed-out", end);
  }, [look]);
  const room = useMemo<SessionRoom>(
    () => ({
      session,
      async signIn(email, password) {
        keepSignedInKey(undefined);
        await accountClient.signIn({ email, password });
        await look();
      },
      async signInWithKey(key) {
        const headers = { authorization: bearerOf(key) };
        const who = await accountClient.getAccount({}, { headers });
        keepSignedInKey(key);
        setSession({ state: "in", who });
      },
      async signOut() {
        if (session.state === "in" && session.who.credential === "session") {
          await accountClient.signOut({});
        }
        keepSignedInKey(undefined);
        setSession({ state: "out", ended: false });
      },
    }),
    [session, look],
  );
  return <SessionContext value={room}>{children}</SessionContext>;
}
