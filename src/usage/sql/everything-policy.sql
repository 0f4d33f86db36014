-- Everybody else sees all rows as before: a table with a policy shows nothing to those who have none.
CREATE ROW POLICY IF NOT EXISTS optamil_everything /* ON CLUSTER */ ON optamil.usage_events, optamil.usage_records
FOR SELECT USING 1 TO ALL EXCEPT optamil_analyst
