"""The network: one POST over aiohttp, and the sessions that it is made with."""
