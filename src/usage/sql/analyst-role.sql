-- What an analyst of one account has, beside the role of that account.
CREATE ROLE IF NOT EXISTS optamil_analyst /* ON CLUSTER */
SETTINGS readonly = 1, max_execution_time = 60 CONST, max_memory_usage = 2000000000 CONST,
    cancel_http_readonly_queries_on_client_close = 1 CONST
