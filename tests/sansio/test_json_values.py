"""JSON that somebody else wrote."""

from __future__ import annotations

import pytest

from reports_async._sansio.json_values import folded, is_array, is_object, json_value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
        ("[]", []),
        (b'\xef\xbb\xbf"text"', "text"),
        (b"3", 3),
    ],
)
def test_json(body: bytes | str, value: object) -> None:
    """Any JSON value is read, with or without a byte order mark."""
    assert value == json_value(body)


@pytest.mark.parametrize("body", [b"", b"{", b"<a/>", b"\xff\xfe\xfd", b"9" * 5000])
def test_no_json(body: bytes) -> None:
    """What is no JSON is a ValueError."""
    with pytest.raises(ValueError):
        json_value(body)


def test_depth_within_reason() -> None:
    """Honest nesting is read."""
    assert [[[[]]]] == json_value(b"[[[[]]]]")


@pytest.mark.parametrize("depth", [65, 500, 200_000])
def test_nested_too_deeply(depth: int) -> None:
    """A body that would exhaust the stack of its reader is refused."""
    with pytest.raises(ValueError, match="nested too deeply"):
        json_value(b"[" * depth + b"]" * depth)


def test_shapes() -> None:
    """Objects and arrays are told apart, and from everything else."""
    values: list[object] = [{}, [], ""]

    assert [True, False, False] == [is_object(value) for value in values]
    assert [False, True, False] == [is_array(value) for value in values]


def test_folded() -> None:
    """Names are folded, values stay."""
    assert {"requestid": "A", "downloadurl": "B"} == folded({"requestID": "A", "downloadURL": "B"})
