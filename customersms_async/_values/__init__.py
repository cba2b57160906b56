"""The ground: fates, reasons, the key, what may be shown, checks of arguments. Pure."""
