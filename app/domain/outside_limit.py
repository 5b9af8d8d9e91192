"""Limits that somebody outside sets for a while: the network operator, the building's system."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from app.domain.rules import Bound

LONGEST_ORDER = timedelta(hours=24)
"""An order holds no longer without being sent again."""

PAGE = "page"
"""The source of orders given on the page; all others come from a token."""


class OutsideOrder(msgspec.Struct, frozen=True):
    """The order of one source on one circuit; a new one takes the place of the former.

    ``source`` is ``page`` or the identity of a token, ``by`` who is named: an account, or the
    token's name. ``bound`` may bind nothing: then the source merely says that it is alive.
    ``lapsed`` is true once the order ran out and nobody had renewed or ended it.
    """

    circuit_id: str
    source: str
    by: str
    bound: Bound
    set_utc: datetime
    until_utc: datetime
    lapsed: bool = False


class SiteToken(msgspec.Struct, frozen=True):
    """What a program shows to set limits; only a hash of the secret is kept."""

    token_id: str
    name: str
    secret_hash: str
    created_utc: datetime
    created_by: str
