"""The synthetic user's account and session.

Owns that there is an account, and at most one session at a time. The account is made once and found again by its
password, which outlives the program: restarts leave no accounts behind, and a Redis that lost it gets it anew.
"""

import asyncio

from chatcluster.client.rest import Rest
from chatcluster.core import errors


class Account:
    """One account at one api."""

    def __init__(self, api: str, name: str, password: str, within: float) -> None:
        """`within`: seconds for each request."""
        self._api = api
        self._name = name
        self._password = password
        self._within = within
        self._token = ""
        self._turn = asyncio.Lock()

    async def token(self) -> str:
        """Of the session; opens one if there is none. Raises what the api raises."""
        async with self._turn:
            self._token = self._token or await self._open()
            return self._token

    def ended(self, token: str) -> None:
        """This token is of no use any more."""
        if token == self._token:
            self._token = ""

    async def close(self) -> None:
        """End the session, if there is one; one that cannot be ended now ends by itself. Raises what the api raises."""
        async with self._turn:
            if self._token:
                async with Rest(self._api, self._token, within=self._within) as rest:
                    await rest.log_out()

    async def _open(self) -> str:
        async with Rest(self._api, within=self._within) as rest:
            try:
                return (await rest.log_in(self._name, self._password)).token
            except errors.WrongCredentials:
                return (await rest.register(self._name, self._password)).token
