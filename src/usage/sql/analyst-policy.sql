-- An analyst sees the rows of the accounts whose role he has: optamil_account_ and the account's id.
CREATE ROW POLICY IF NOT EXISTS optamil_own_account /* ON CLUSTER */ ON optamil.usage_events
FOR SELECT USING has(currentRoles(), concat('optamil_account_', account_id)) TO optamil_analyst
