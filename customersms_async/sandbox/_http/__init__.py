"""The gateway's HTTP: the API, the control calls, the events, the pages."""
