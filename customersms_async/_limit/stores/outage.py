"""Log records of a store that does not answer."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["StoreOutage"]

_logger = logging.getLogger("customersms_async")

#: Seconds without an answer before that is logged.
_QUIETLY: Final = 2.0


class StoreOutage:
    """Logs once that a store does not answer, and that it does again."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._is_logged = False

    def go_on(self, now: float, failure: str) -> None:
        """A call has failed."""
        if self._began_at is None:
            self._began_at = now
        seconds = now - self._began_at
        if seconds >= _QUIETLY and not self._is_logged:
            self._is_logged = True
            what = (
                "the limit's store has not answered for %.0f s (%s): single messages fail, "
                "and bulk runs wait for it"
            )
            _logger.warning(what, seconds, failure, extra={"event": "limit.away"})

    def end(self, now: float) -> None:
        """A call was answered."""
        if self._is_logged and self._began_at is not None:
            what = "the limit's store answers again, after %.0f s"
            _logger.info(what, now - self._began_at, extra={"event": "limit.back"})
        self._began_at, self._is_logged = None, False
