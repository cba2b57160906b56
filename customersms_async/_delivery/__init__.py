"""One request, from slot to attempt, answer and retry. Imports wire and ports."""
