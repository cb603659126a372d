"""Who is asking: HTTP Basic against console.users, whose hashes are argon2; or the one analyst of this machine.

A verified password is remembered for ten minutes as a keyed digest, so that its hash is not paid at each request.
A wrong one always costs a hash, known user or not, and few of them stop the address that they come from.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict

from soc.clock import Clock
from soc.errors import SettingsError, VonggacError
from soc.settings import User

LOCAL_ANALYST = "analyst"
"""Who everybody on this machine is while there are no users."""

REMEMBERED_SECONDS = 600.0
REMEMBERED = 256
"""How long, and how many, verified passwords are remembered."""

FAILURES = 10
FORGIVEN_SECONDS = 60.0
ADDRESSES = 4096
"""So many failures from one address within a minute, and it is refused until the minute is over."""

HASHES_AT_ONCE = 2
HASHES_WAITING = 32
"""Verifications that run, and that may stand in line: each takes tens of MiB and a core."""


class Unknown(VonggacError):
    """No credentials, or wrong ones."""


class Throttled(VonggacError):
    """Too many wrong ones. `after`: seconds to wait."""

    def __init__(self, after: int) -> None:
        """Say how long to wait."""
        super().__init__(f"Too many failed sign-ins: try again in {after} s.")
        self.after = after


class Doorman:
    """Tells who a request comes from."""

    def __init__(self, users: tuple[User, ...], clock: Clock) -> None:
        """Check the hashes. Raises SettingsError naming the user whose name or hash is unusable."""
        self._hashes = {user.name: user.password_hash.get_secret_value() for user in users}
        for user in users:
            _check(user)
        if len(self._hashes) != len(users):
            raise SettingsError(f"console.users: two share a name: {sorted(user.name for user in users)}")
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._failures = Failures(clock)
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0

    async def analyst(self, authorization: str, address: str) -> str:
        """Return the analyst's name. Raises Unknown or Throttled."""
        if not self._hashes:
            return LOCAL_ANALYST
        name, password = _basic(authorization)
        token = hmac.digest(self._secret, f"{len(name)}:{name}{password}".encode(), hashlib.sha256)
        if self._remembered.get(token, -1.0) > self._clock.monotonic():
            return name
        self._failures.check(address)
        if not await self._verified(name, password):
            self._failures.add(address)
            raise Unknown("Wrong user name or password.")
        self._remember(token)
        return name

    def _remember(self, token: bytes) -> None:
        self._remembered[token] = self._clock.monotonic() + REMEMBERED_SECONDS
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    async def _verified(self, name: str, password: str) -> bool:
        if self._waiting >= HASHES_WAITING:
            raise Throttled(1)
        known = name in self._hashes
        stored = self._hashes[name] if known else next(iter(self._hashes.values()))
        self._waiting += 1
        try:
            async with self._hashing:
                return await asyncio.to_thread(_matches, stored, password) and known
        finally:
            self._waiting -= 1


class Failures:
    """Counts failed sign-ins an address, within a sliding minute; an IPv6 network of 64 bits is one address."""

    def __init__(self, clock: Clock) -> None:
        """Know none."""
        self._clock = clock
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raise Throttled where the address has used up its failures."""
        times = self._recent(_network(address))
        if len(times) >= FAILURES:
            raise Throttled(max(1, round(times[0] + FORGIVEN_SECONDS - self._clock.monotonic())))

    def add(self, address: str) -> None:
        """Count one."""
        network = _network(address)
        self._times[network] = [*self._recent(network), self._clock.monotonic()]
        self._times.move_to_end(network)
        while len(self._times) > ADDRESSES:
            self._times.popitem(last=False)

    def _recent(self, network: str) -> list[float]:
        start = self._clock.monotonic() - FORGIVEN_SECONDS
        return [time for time in self._times.get(network, ()) if time > start]


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address  # noqa: PLR2004 - IPv6


def _basic(authorization: str) -> tuple[str, str]:
    """Return user name and password. RFC 7617, section 2."""
    scheme, _, value = authorization.partition(" ")
    try:
        decoded = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        decoded = ""
    name, colon, password = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise Unknown("Sign in with a user name and a password.")
    return name, password


def _check(user: User) -> None:
    from argon2 import extract_parameters  # noqa: PLC0415 - only a console with users needs it
    from argon2.exceptions import InvalidHashError  # noqa: PLC0415 - as above

    if not user.name or ":" in user.name:
        raise SettingsError(f"console.users: {user.name!r} cannot sign in: a name is not empty and has no colon")
    try:
        extract_parameters(user.password_hash.get_secret_value())
    except InvalidHashError:
        raise SettingsError(
            f"console.users: {user.name}: password_hash is no argon2 hash; make one with `soc password`"
        ) from None


def _matches(stored: str, password: str) -> bool:
    from argon2 import PasswordHasher  # noqa: PLC0415 - as above
    from argon2.exceptions import VerificationError  # noqa: PLC0415 - as above

    try:
        return PasswordHasher().verify(stored, password)
    except VerificationError:
        return False
