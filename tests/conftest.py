"""What several tests share."""

import os

import pytest


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium or Chrome. Without one, browser tests are skipped, but fail where CI is set."""
    from live_lab import find_chromium

    path = find_chromium()
    if path is None:
        message = "no Chromium or Chrome found; install one, or set CHROMIUM to its path"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path
