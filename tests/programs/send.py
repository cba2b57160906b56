"""Send to one number and to two, in each form that the gateway's documentation shows."""

import os

import requests

for phone in (
    "+12125551234",
    "+12125551234,+13235554567",
    ["+12125551234", "+13235554567"],
):
    response = requests.post(
        os.environ["CUSTOMERSMS_ENDPOINT"],
        json={
            "api_key": os.environ["CUSTOMERSMS_API_KEY"],
            "phone": phone,
            "message": "Your code is 4711",
        },
        timeout=10,
    )
    print(response.status_code, response.text)
