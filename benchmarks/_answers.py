"""
The answers that the measured clients expect: one accepted message, in the form of each API.

Sources: the documentation of the gateway, and the examples of an answer in those of Twilio
(``POST /2010-04-01/Accounts/{Sid}/Messages.json``), Telnyx (``POST /v2/messages``), Vonage
(``POST /sms/json``) and Slack (``POST /api/chat.postMessage``).
"""

from __future__ import annotations

from typing import Final

import orjson

__all__ = ["PATH", "accepted"]

#: The path of our gateway.
PATH: Final = "/sms_system/api.php"

_TWILIO: Final = {
    "account_sid": "AC00000000000000000000000000000000",
    "api_version": "2010-04-01",
    "body": "Your code is 4711",
    "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
    "date_sent": None,
    "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
    "direction": "outbound-api",
    "error_code": None,
    "error_message": None,
    "from": "+12125550100",
    "messaging_service_sid": None,
    "num_media": "0",
    "num_segments": "1",
    "price": None,
    "price_unit": "USD",
    "sid": "SM00000000000000000000000000000000",
    "status": "queued",
    "subresource_uris": {"media": "/2010-04-01/Accounts/AC0/Messages/SM0/Media.json"},
    "to": "+12125550101",
    "uri": "/2010-04-01/Accounts/AC0/Messages/SM0.json",
}
_TELNYX: Final = {
    "data": {
        "cc": [],
        "completed_at": None,
        "cost": None,
        "direction": "outbound",
        "encoding": "GSM-7",
        "errors": [],
        "from": {"carrier": "", "line_type": "", "phone_number": "+12125550100"},
        "id": "40385f64-5717-4562-b3fc-2c963f66afa6",
        "media": [],
        "messaging_profile_id": "4000eba1-a0c0-4563-9925-b25e842a7cb6",
        "parts": 1,
        "received_at": "2019-01-23T18:10:02.574Z",
        "record_type": "message",
        "sent_at": None,
        "tags": [],
        "text": "Your code is 4711",
        "to": [
            {"carrier": "", "line_type": "", "phone_number": "+12125550101", "status": "queued"}
        ],
        "type": "SMS",
        "valid_until": "2019-01-24T18:10:02.574Z",
    }
}
_VONAGE: Final = {
    "message-count": "1",
    "messages": [
        {
            "to": "12125550101",
            "message-id": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab",
            "status": "0",
            "remaining-balance": "3.14159265",
            "message-price": "0.03330000",
            "network": "12345",
        }
    ],
}
_SLACK: Final = {
    "ok": True,
    "channel": "C123ABC456",
    "ts": "1503435956.000247",
    "message": {"text": "Your code is 4711", "type": "message", "ts": "1503435956.000247"},
}

#: Prefixes of paths, and their answers.
_OTHERS: Final = tuple(
    (begin, orjson.dumps(answer))
    for begin, answer in (
        ("/2010-04-01/", _TWILIO),
        ("/v2/", _TELNYX),
        ("/sms/json", _VONAGE),
        ("/api/", _SLACK),
    )
)


def accepted(path: str, body: bytes) -> bytes:
    """Write the body of an answer that accepts every number of a request."""
    if path != PATH:
        return next(answer for begin, answer in _OTHERS if path.startswith(begin))
    phone: str | list[str] = orjson.loads(body)["phone"]
    phones = [phone] if isinstance(phone, str) else phone
    answer = {
        "success": True,
        "message": "SMS sending completed",
        "total_numbers": len(phones),
        "successful_sends": len(phones),
        "failed_sends": 0,
        "remaining_credits": 1_000_000_000,
        "results": [
            {"phone": one, "success": True, "message_id": "msg_" + one[-9:]} for one in phones
        ],
    }
    return orjson.dumps(answer)
