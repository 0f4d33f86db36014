-- The last of so many accounts after the given one; 0 accounts: there is none.
SELECT max(account_id) AS last, toUInt32(count()) AS accounts
FROM
(
    SELECT DISTINCT CAST(account_id AS String) AS account_id FROM optamil.usage_events
    WHERE account_id > {after:String}
    ORDER BY account_id
    LIMIT {limit:UInt32}
)
