-- Whether the seed is complete: then there is a row of no account.
SELECT count() AS seeds FROM optamil.usage_touched WHERE account_id = ''
