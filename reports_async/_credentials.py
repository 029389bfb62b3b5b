"""The seller's key pair: kept out of every repr, pickle and log."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn, Self

from attrs import field, frozen

from ._exceptions import InvalidArgument
from ._secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

ID_VARIABLE = "WALMART_CLIENT_ID"
SECRET_VARIABLE = "WALMART_CLIENT_SECRET"  # noqa: S105 -- the name of a variable, not a secret


def _objection(name: str, value: Any) -> str | None:
    """Return what is wrong with a value; it is never shown: it may be the secret, misplaced."""
    if not isinstance(value, str) or not value.strip():
        return f"{name} must be a string and not blank."
    if not value.isprintable() or not value.isascii() or " " in value:
        return f"{name} must not contain newlines, spaces or characters beyond ASCII."
    if name == "client_id" and ":" in value:
        # RFC 7617: the user id of HTTP Basic authentication ends at the first colon.
        return "client_id must not contain a colon."
    return None


@frozen(init=False)
class Credentials:
    """A client id and secret of Walmart's developer portal."""

    client_id: str
    client_secret: str = field(repr=False)

    def __init__(self, client_id: str, client_secret: str) -> None:
        objection = _objection("client_id", client_id) or _objection("client_secret", client_secret)
        if objection is not None:
            # A traceback may be shown with its variables.
            del self, client_id, client_secret
            raise InvalidArgument(objection)
        object.__setattr__(self, "client_id", client_id)
        object.__setattr__(self, "client_secret", Secret(client_secret))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """
        Read WALMART_CLIENT_ID and WALMART_CLIENT_SECRET.

        Raises:
            InvalidArgument: One of them is missing; the message names both.
        """
        values = os.environ if environ is None else environ
        missing = [name for name in (ID_VARIABLE, SECRET_VARIABLE) if not values.get(name)]
        pair = [Secret(values.get(name, "")) for name in (ID_VARIABLE, SECRET_VARIABLE)]
        # A traceback may be shown with its variables, and these are the whole environment.
        del environ, values
        if missing:
            raise InvalidArgument(
                f"No credentials: set {ID_VARIABLE} and {SECRET_VARIABLE} "
                f"(missing: {', '.join(missing)})."
            )
        return cls(str(pair[0]), pair[1])

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "Credentials are not pickled, so that the secret is never written anywhere; "
            "read them where they are used: Credentials.from_env()."
        )
