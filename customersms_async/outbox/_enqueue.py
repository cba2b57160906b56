"""
Queue a message in the caller's transaction.

If the transaction is committed, the message is sent; if it is rolled back, there is no message.

Rules of this module:

1. The ref alone identifies a message: the same ref is the same message, even with another text.
2. A bad message raises here, while the transaction can still be rolled back.
"""

from __future__ import annotations

from ..codes import INVALID_PHONE
from ..errors import InvalidMessage, InvalidPhone
from ..outcomes import Message
from ..phones import ParsePhone, normalize_phone
from ._connections import carry_out, carry_out_async, find_async_owner, find_owner
from ._core.campaigns import QUEUE
from ._core.job import Change, Job, NewIds, Wake
from ._core.message_states import Move, step
from ._core.rows import Row
from ._core.schema import PREFIX, QUEUE_CHANNEL, check_prefix
from ._row_reader import check_ref, make_row

__all__ = ["enqueue", "enqueue_async"]


def enqueue(
    connection: object,
    message: Message,
    *,
    urgent: bool = False,
    prefix: str = PREFIX,
    parse_phone: ParsePhone = normalize_phone,
) -> bool:
    """
    Queue a message in the transaction of *connection*; a worker sends it after the commit.

    Args:
        connection: A connection of ``sqlite3`` or psycopg, a Session or Connection of SQLAlchemy,
            or ``django.db.connection``. Nothing is committed here.

        message: The message; its ``ref`` identifies it permanently, like ``f"order-{order.id}"``.

        urgent: Whether it goes ahead of messages that are not, as `CustomerSMS.send` does.

        prefix: The prefix of the outbox's tables.

        parse_phone: Parses the number.

    Returns:
        Whether it is new; False if a message with this ref was queued before.

    Raises:
        TypeError: The connection is of an unknown type, or the ref is not a string.
        InvalidPhone: The number is not valid.
        InvalidMessage: The text is empty or cannot be encoded.
    """
    owner = find_owner(connection)
    return carry_out(owner, _put(_checked(message, parse_phone), urgent), check_prefix(prefix))


async def enqueue_async(
    connection: object,
    message: Message,
    *,
    urgent: bool = False,
    prefix: str = PREFIX,
    parse_phone: ParsePhone = normalize_phone,
) -> bool:
    """
    Do the same as `enqueue` for an async connection.

    Args:
        connection: An AsyncSession or AsyncConnection of SQLAlchemy, or a connection of asyncpg,
            psycopg or aiosqlite. Nothing is committed here.

        message: See `enqueue`.

        urgent: See `enqueue`.

        prefix: See `enqueue`.

        parse_phone: See `enqueue`.
    """
    owner = find_async_owner(connection)
    job = _put(_checked(message, parse_phone), urgent)
    return await carry_out_async(owner, job, check_prefix(prefix))


def _checked(message: object, parse: ParsePhone) -> Row:
    if not isinstance(message, Message):
        msg = f"message must be a Message(phone, text, ref), not {type(message).__name__}"
        raise TypeError(msg)
    check_ref(message.ref)
    row = make_row(message, parse)
    if row.verdict is None:
        return row
    said = row.verdict.detail or ""
    if row.verdict.code == INVALID_PHONE:
        raise InvalidPhone(message.phone, said)
    raise InvalidMessage(said)


def _put(row: Row, urgent: bool) -> Job[bool]:  # noqa: FBT001  # the caller's word
    """Write the message, and a batch of one for it."""
    is_new = yield Change(
        "INSERT INTO sms_message (campaign, content, ref, phone)"
        " VALUES ((SELECT id FROM sms_campaign WHERE name = ?), ?, ?, ?)"
        " ON CONFLICT (campaign, ref) WHERE ref IS NOT NULL DO NOTHING",
        (QUEUE, row.content, row.ref, row.phone),
    )
    if not is_new:
        return False
    batch = yield NewIds("sms_batch", 1)
    yield Change(
        "INSERT INTO sms_batch (id, campaign, state, size, urgent, text)"
        " VALUES (?, (SELECT id FROM sms_campaign WHERE name = ?), ?, 1, ?, ?)",
        (batch, QUEUE, step(Move.ADD, None), int(urgent), row.text),
    )
    yield Change(
        "UPDATE sms_message SET batch = ?"
        " WHERE campaign = (SELECT id FROM sms_campaign WHERE name = ?) AND ref = ?",
        (batch, QUEUE, row.ref),
    )
    yield Wake(QUEUE_CHANNEL)
    return True
