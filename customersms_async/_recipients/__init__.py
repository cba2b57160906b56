"""Lists of recipients as people keep them: encodings, spreadsheets, headers. Reads files."""
