"""The gateway over HTTP: the API, control calls, events, pages. Reaches `_gateway`."""
