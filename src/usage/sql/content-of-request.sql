-- What is kept of one request, unless it has expired.
SELECT prompt, answer, prompt_cut, answer_cut, toUnixTimestamp64Milli(expires_at) AS expires_at_ms
FROM optamil_content.request_contents
WHERE account_id = {accountId:String} AND request_id = {requestId:String}
  AND expires_at > fromUnixTimestamp64Milli({nowMs:Int64}, 'UTC')
ORDER BY kept_at DESC
LIMIT 1
