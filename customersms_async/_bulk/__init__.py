"""A bulk run: read, drop duplicates, batch, deliver, merge. Imports wire, ports, delivery."""
