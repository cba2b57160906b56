"""The ground floor: fates, reasons, the key, redaction, checks of arguments. Pure."""
