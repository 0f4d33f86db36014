curl https://api.optamil.com/v1/chat/completions \
  -H "Authorization: Bearer YOUR_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "model": "auto",
    "response_format": {"type": "json_object"},
    "messages": [
      {"role": "system", "content": "Respond in JSON."},
      {"role": "user", "content": "List 3 programming languages with their year of creation."}
    ]
  }'
