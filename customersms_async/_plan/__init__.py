"""The parts of a plan: rows that cannot be sent to, and tallies; pure."""
