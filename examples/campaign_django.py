"""
A campaign as a Django management command.

    python manage.py send_campaign parents-evening-2026-12 people.csv "Hi {name}, we meet at nine"

Copy this file to ``management/commands/send_campaign.py`` of an application, and set ``SMS_OUTBOX``
to a path or to the ``postgresql://`` URL of your database, in which the outbox has its own tables.
Run the same command again to continue, however it ended.
"""

from __future__ import annotations

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from customersms_async.outbox import OutboxError
from customersms_async.recipients import read
from customersms_async.sync import CustomerSMS, Outbox


class Command(BaseCommand):  # type: ignore[misc]  # Django has no types
    """``manage.py send_campaign``."""

    help = "Send a text to each row of a file, once, however often this is run."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the name of the campaign, the file and the text."""
        for name in ("name", "people", "text"):
            parser.add_argument(name)

    def handle(self, *, name: str, people: str, text: str, **_: object) -> None:
        """Add new rows, and send what is left."""
        try:
            with Outbox(settings.SMS_OUTBOX) as outbox, CustomerSMS(limiter=outbox.limiter) as sms:
                campaign = outbox.campaign(name)
                self.stdout.write(str(campaign.add(read(people, text=text))))
                self.stdout.write(str(campaign.send(sms)))
        except OutboxError as error:  # someone must decide first; the text says what, and how
            raise CommandError(str(error)) from None
