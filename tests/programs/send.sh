# Send to one number and to two, in each form that the gateway's documentation shows.

for phone in '"+12125551234"' '"+12125551234,+13235554567"' '["+12125551234", "+13235554567"]'; do
  curl --silent --show-error --fail --request POST "$CUSTOMERSMS_ENDPOINT" \
    --header 'Content-Type: application/json' \
    --data "{\"api_key\": \"$CUSTOMERSMS_API_KEY\", \"phone\": $phone, \"message\": \"Your code is 4711\"}"
  echo
done
