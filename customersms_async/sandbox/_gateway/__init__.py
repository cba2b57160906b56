"""The gateway without a network: accounts, limits, faults, answers. Pure."""
