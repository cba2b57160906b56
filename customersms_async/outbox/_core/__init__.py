"""The decisions of an outbox: states, jobs as steps, rules of sending. Pure; SQL as text."""
