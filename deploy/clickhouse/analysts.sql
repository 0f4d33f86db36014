-- The role and the row policies of analysts as 'optamil migrate' makes them, to read or to make beforehand; written by 'npm run generate'.
-- Needs a user with access_management.

-- What an analyst of one account has, beside the role of that account.
CREATE ROLE IF NOT EXISTS optamil_analyst /* ON CLUSTER */
SETTINGS readonly = 1, max_execution_time = 60 CONST, max_memory_usage = 2000000000 CONST,
    cancel_http_readonly_queries_on_client_close = 1 CONST;

-- Views are read with the analyst's own rights, so the rows' table belongs to them.
GRANT /* ON CLUSTER */ SELECT ON optamil.* TO optamil_analyst;

-- Everybody else sees all rows as before: a table with a policy shows nothing to those who have none.
CREATE ROW POLICY IF NOT EXISTS optamil_everything /* ON CLUSTER */ ON optamil.usage_events, optamil.usage_records
FOR SELECT USING 1 TO ALL EXCEPT optamil_analyst;

-- An analyst sees the rows of the accounts whose role he has: optamil_account_ and the account's id.
CREATE ROW POLICY IF NOT EXISTS optamil_own_account /* ON CLUSTER */ ON optamil.usage_events
FOR SELECT USING has(currentRoles(), concat('optamil_account_', account_id)) TO optamil_analyst;

-- The audits' ledger names no account: analysts see nothing of it.
CREATE ROW POLICY IF NOT EXISTS optamil_no_records /* ON CLUSTER */ ON optamil.usage_records
FOR SELECT USING 0 TO optamil_analyst;
