"""Hypothesis settings for all generated cases: no deadline, since a busy machine would miss it."""

from hypothesis import settings

from tests.support.sizes import sized

settings.register_profile("patient", deadline=None, max_examples=sized(60, 500))
settings.load_profile("patient")
