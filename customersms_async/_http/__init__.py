"""The network: one POST over aiohttp, and its sessions. Reaches values and ports."""
