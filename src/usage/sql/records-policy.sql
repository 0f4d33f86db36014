-- The audits' ledger names no account: analysts see nothing of it.
CREATE ROW POLICY IF NOT EXISTS optamil_no_records /* ON CLUSTER */ ON optamil.usage_records
FOR SELECT USING 0 TO optamil_analyst
