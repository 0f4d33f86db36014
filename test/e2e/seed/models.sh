curl https://api.optamil.com/v1/models \
  -H "Authorization: Bearer YOUR_API_KEY"
