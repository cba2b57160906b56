"""The network: one POST over aiohttp, and its sessions. Imports values and ports."""
