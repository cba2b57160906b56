"""The life of a run: read, drop doubles, batch, deliver, merge. Reaches wire, ports, delivery."""
