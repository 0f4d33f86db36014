-- The accounts of which something is kept.
SELECT DISTINCT account_id FROM optamil_content.request_contents ORDER BY account_id
