// Loads what a page shows, and tells how far it is.
import { useCallback, useEffect, useState } from "react";
import { type Failure, toFailure } from "./failure.ts";
import { refusals } from "./transport.ts";

/** What is loaded, or why not. */
export type Load<Value> =
  | { readonly state: "loading" }
  | { readonly state: "failed"; readonly failure: Failure }
  | { readonly state: "ready"; readonly value: Value };

/** A load that can be repeated; what was loaded stays until the next answer is here. */
export type Reloadable<Value> = { readonly load: Load<Value>; readonly reload: () => void };

/** Loads when the page opens, whenever `key` changes, and on `reload`. An answer that is no longer wanted is dropped. */
export function useLoad<Value>(
  ask: (signal: AbortSignal) => Promise<Value>,
  key = "",
): Reloadable<Value> {
  const [load, setLoad] = useState<Load<Value>>({ state: "loading" });
  const [turn, setTurn] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` and `turn` say when to ask anew, not `ask`, which is made at each render
  useEffect(() => {
    const leaving = new AbortController();
    ask(leaving.signal).then(
      (value) => {
        if (!leaving.signal.aborted) setLoad({ state: "ready", value });
      },
      (thrown) => {
        if (!leaving.signal.aborted) setLoad({ state: "failed", failure: noteFailure(thrown) });
      },
    );
    return () => leaving.abort();
  }, [key, turn]);
  const reload = useCallback(() => setTurn((count) => count + 1), []);
  return { load, reload };
}

/** What a failed call says; one that was refused for its credential is told to the session. */
function noteFailure(thrown: unknown): Failure {
  const failure = toFailure(thrown);
  if (failure.signedOut) refusals.dispatchEvent(new Event("signed-out"));
  return failure;
}

/** An action that a button starts: it runs once at a time, and keeps why it failed. */
export type Action = {
  readonly busy: boolean;
  readonly failure: Failure | undefined;
  /** Runs `work`; gives whether it succeeded. */
  readonly run: (work: () => Promise<void>) => Promise<boolean>;
  readonly clear: () => void;
};

/** The state of one button's action. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | undefined>(undefined);
  const run = useCallback(async (work: () => Promise<void>) => {
    setBusy(true);
    setFailure(undefined);
    try {
      await work();
      return true;
    } catch (thrown) {
      setFailure(noteFailure(thrown));
      return false;
    } finally {
      setBusy(false);
    }
  }, []);
  return { busy, failure, run, clear: useCallback(() => setFailure(undefined), []) };
}
