"""The life of a run: read, batch, deliver, merge. Reaches delivery, wire and ports."""
