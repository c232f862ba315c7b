"""Settings that hold for the whole suite."""

import os

import hypothesis

# On a busy machine a slow example says nothing. Hypothesis chooses its own "ci" profile where CI is set.
hypothesis.settings.register_profile("trio_ohws", deadline=None)
if "CI" not in os.environ:
    hypothesis.settings.load_profile("trio_ohws")
