// Whether prompts and answers of the account's requests are kept: off until its owner switches it on.
import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import { AccountService } from "../../gen/optamil/v1/accounts_pb.ts";
import { ContentService } from "../../gen/optamil/v1/content_pb.ts";
import { useAction, useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { Card, FailureNotice, Loaded } from "../ui/layout.tsx";

const accountClient = createClient(AccountService, transport);
const contentClient = createClient(ContentService, transport);

/** The switch; for credentials that may manage the account's keys. */
export function ContentKeeping() {
  const { load, reload } = useLoad((signal) => accountClient.getAccount({}, { signal }));
  return (
    <Card title="Prompts and answers">
      <Loaded load={load} reload={reload}>
        {({ account }) => <Switch days={account?.contentDays} onChanged={reload} />}
      </Loaded>
    </Card>
  );
}

type SwitchProps = { readonly days: number | undefined; readonly onChanged: () => void };

function Switch({ days, onChanged }: SwitchProps) {
  const [wanted, setWanted] = useState("7");
  const { busy, failure, run } = useAction();
  const set = (keep: boolean) =>
    void run(async () => {
      await contentClient.setContentKeeping({ keep, ...(keep && { days: Number(wanted) }) });
      onChanged();
    });
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        set(days === undefined);
      }}
    >
      {days === undefined ? (
        <>
          <p>
            What is said in this account's requests is not kept. Switched on, the first 64 KiB of
            each prompt and answer are, on the gateway's disk, for whoever may manage keys to read.
          </p>
          <TextField
            label="Days until they are deleted"
            type="number"
            min={1}
            max={30}
            required
            value={wanted}
            onChange={(event) => setWanted(event.target.value)}
          />
        </>
      ) : (
        <p>
          What is said in this account's requests is kept for {days} {days === 1 ? "day" : "days"}.
          Switching it off deletes all of it at once.
        </p>
      )}
      <div className="row">
        <Button type="submit" kind={days === undefined ? "plain" : "danger"} busy={busy}>
          {days === undefined ? "Keep them" : "Keep none, and delete them"}
        </Button>
      </div>
      <FailureNotice failure={failure} />
    </form>
  );
}
