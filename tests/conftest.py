"""Settings that hold for the whole suite."""

import os

import hypothesis

# The suite talks to the loopback interface: no proxy of this machine has a part in that.
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]
os.environ["no_proxy"] = "*"

# On a busy machine a slow example says nothing. Hypothesis chooses its own "ci" profile where CI is set.
hypothesis.settings.register_profile("trio_ohws", deadline=None)
if "CI" not in os.environ:
    hypothesis.settings.load_profile("trio_ohws")
