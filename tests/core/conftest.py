"""How generated cases are tried: no case has a deadline, since a busy machine would miss it."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
