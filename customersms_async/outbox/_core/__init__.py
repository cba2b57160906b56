"""What an outbox decides: states, jobs as steps, rules of sending. Pure; SQL as text."""
