"""The gateway over HTTP: the API, control calls, events, pages. Imports `_gateway`."""
