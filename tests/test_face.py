"""The face: names, and the version."""

from __future__ import annotations

from importlib.metadata import version

import pytest

import reports_async


def test_version():
    """
    The version is that of the installed distribution.
    """
    assert version("reports-async") == reports_async.__version__


def test_unknown_name():
    """
    A name that the face does not have is an AttributeError, as in any module.
    """
    with pytest.raises(AttributeError, match="no attribute 'sync'"):
        _ = reports_async.sync
