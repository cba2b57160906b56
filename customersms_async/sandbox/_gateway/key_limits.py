"""Which limit applies to which key."""

from __future__ import annotations

from attrs import define, field

from .rate_budget import Budget, KeyLimit, SandboxUsage

__all__ = ["KeyLimits"]


@define(eq=False)
class KeyLimits:
    """
    The rate limits, counted separately for each key.

    Attributes:
        common: The limit of every key without its own.
        own: The limits of single keys.
        budgets: What each key has used.
    """

    common: KeyLimit
    own: dict[str, KeyLimit] = field(init=False, factory=dict[str, KeyLimit], repr=False)
    budgets: dict[str, Budget] = field(init=False, factory=dict[str, Budget], repr=False)

    def set(self, limit: KeyLimit, key: str | None = None) -> None:
        """
        Limit one key, or all keys without their own limit.

        Their earlier requests no longer count.
        """
        if key is None:
            self.common = limit
            self.budgets = {key: self.budgets[key] for key in self.own if key in self.budgets}
        else:
            self.own[key] = limit
            self.budgets.pop(key, None)

    def forget(self, key: str) -> None:
        """Forget the limit of *key* and its use."""
        self.own.pop(key, None)
        self.budgets.pop(key, None)

    def of(self, key: str) -> Budget:
        """Return the budget of *key*."""
        if key not in self.budgets:
            self.budgets[key] = Budget(self.limit_of(key))
        return self.budgets[key]

    def limit_of(self, key: str | None) -> KeyLimit:
        """Return the limit of *key*, or that of all."""
        return self.common if key is None else self.own.get(key, self.common)

    def usage(self, key: str, now: float) -> SandboxUsage:
        """Return the use of *key* at *now*; an unknown key leaves no trace."""
        return (self.budgets.get(key) or Budget(self.limit_of(key))).usage(now)
