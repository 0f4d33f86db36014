-- Deletes all of an account, or of one of its requests; a mutation, so that it is gone from the disk too.
ALTER TABLE optamil_content.request_contents /* ON CLUSTER */
DELETE WHERE account_id = {accountId:String} AND ({requestId:String} = '' OR request_id = {requestId:String})
