"""What a plan is made of: rows that cannot be sent to, and tallies; pure."""
