"""Settings that hold for the whole suite."""

import os

import hypothesis
import pytest

from tests.certificates import Certificates

pytest_plugins = ["trio_ohws.testing.fixtures"]

# The suite talks to the loopback interface: no proxy of this machine has a part in that.
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]
os.environ["no_proxy"] = "*"

# On a busy machine a slow example says nothing. Hypothesis chooses its own "ci" profile where CI is set.
hypothesis.settings.register_profile("trio_ohws", deadline=None)
if "CI" not in os.environ:
    hypothesis.settings.load_profile("trio_ohws")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A PKI in files, made once."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded as their "summary"."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "summary":
                terminalreporter.write_line(f"{report.nodeid}: {value}")
