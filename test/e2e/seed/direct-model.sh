curl https://api.optamil.com/v1/chat/completions \
  -H "Authorization: Bearer YOUR_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "model": "claude-sonnet-4",
    "messages": [
      {"role": "user", "content": "Analyze the implications of quantum error correction."}
    ],
    "max_tokens": 2000,
    "temperature": 0.7
  }'
