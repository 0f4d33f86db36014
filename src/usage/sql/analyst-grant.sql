-- Views are read with the analyst's own rights, so the rows' table belongs to them.
GRANT /* ON CLUSTER */ SELECT ON optamil.* TO optamil_analyst
