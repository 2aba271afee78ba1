"""The wire under the SDKs: one ready-made request for all that a model is asked, on a connection that costs little, and answers in bounds.

The SDKs know addresses, headers and keys, and are asked for them once: the first request goes through the SDK, and as soon as that sends
it, all others are posted to its address, with its headers and bodies of their own, on aiohttp, which the SDKs' own fastest clients ride on
too. What a server answers is read up to a bound, also where a few kilobytes unpack to gigabytes; a timeout bounds it in time
(`bench.models.api.http_errors.translated`).
"""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
import zlib
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import aiohttp
import httpx2

from bench import env
from bench.models.base import ModelOptions
from bench.models.servers import check_proxies

NO_KEY = "no-key-needed"
"""Sent to a server of the person's own when no key is set: the SDKs insist on one."""

MOST_BYTES = 8_000_000
"""Longest answer that is read, unpacked, in bytes: several times what the longest reply of any model takes."""

_STREAMED = 16
"""A stream of events says a token in so many times the bytes that the whole answer takes for it."""

_UNPACKED = {"gzip": 32 + zlib.MAX_WBITS, "x-gzip": 32 + zlib.MAX_WBITS, "deflate": 32 + zlib.MAX_WBITS}
_OWN = frozenset({"host", "connection", "content-length", "transfer-encoding"})
"""Headers that belong to one request or connection."""
_PLAIN = _OWN | {"accept", "accept-encoding", "content-type", "user-agent"}
"""Headers that any server may see."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class TooLongError(httpx2.TransportError):
    """The answer is longer than `MOST_BYTES`."""


class Answer(NamedTuple):
    """What a server answered, read to its end; `headers` in any case."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @classmethod
    def of(cls, response: httpx2.Response) -> Answer:
        """The same, of an SDK's response that was read."""
        return cls(response.status_code, response.headers, response.content)

    @property
    def text(self) -> str:
        """The content as text, whatever it is."""
        return self.content.decode("utf-8", "replace")


class _Ready(NamedTuple):
    """Address and headers of a request, as the SDK made them."""

    url: str
    headers: Mapping[str, str]
    proxy: str | None

    @classmethod
    def of(cls, request: httpx2.Request) -> _Ready:
        """Those of `request`."""
        kept = {name: value for name, value in request.headers.items() if name not in _OWN}
        return cls(str(request.url), kept, _proxy(request.url))


@dataclass(slots=True)
class _Route:
    """Where requests of one kind go: known as soon as the SDK sends the first of them, and again where it sends it elsewhere."""

    ready: _Ready | None = None
    sent: asyncio.Event = field(default_factory=asyncio.Event)


_FIRST: ContextVar[_Route | None] = ContextVar("first", default=None)
"""The route of the request that the SDK is about to send in this task."""


class Wire:
    """The connections of one model.

    Args:
        options: how the model is reached.
        fast, plain: the SDK's clients on aiohttp and on httpx2; the second speaks SOCKS, which aiohttp does not.

    Attributes:
        http: for the SDK's client.
    """

    def __init__(self, options: ModelOptions, fast: type[httpx2.AsyncClient], plain: type[httpx2.AsyncClient]) -> None:
        proxies = urllib.request.getproxies()
        check_proxies(proxies)
        self._socks = any(address.startswith("socks") for address in proxies.values())
        self.http = (plain if self._socks else fast)(
            verify=_tls(),
            limits=httpx2.Limits(max_connections=None if self._socks else 0),  # 0 is aiohttp's word for no bound, which is the runner's
            timeout=http_timeout(options),
            headers={"accept-encoding": "gzip, deflate"},
            event_hooks={"request": [_learn], "response": [_bounded]},
        )
        self._timeout = aiohttp.ClientTimeout(sock_connect=http_timeout(options).connect)  # all of it is bounded by whoever asks
        self._session: aiohttp.ClientSession | None = None
        self._routes: dict[tuple[str, frozenset[tuple[str, str]]], _Route] = {}

    async def post(self, client: Any, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Post a `body` of JSON to `path`, as `client` (the SDK's) would, with further `headers`.

        Raises:
            Exception: what the SDK raises, of its first request; of later ones aiohttp's errors, and httpx2's of an answer out of bounds.
        """
        key = path, frozenset((headers or {}).items())
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = _Route()
        elif route.ready is None:
            await route.sent.wait()
        ready = route.ready
        if ready is None or self._socks:
            return await self._by_sdk(client, path, body, headers, route)
        async with self._opened().post(ready.url, data=body, headers=ready.headers, proxy=ready.proxy, allow_redirects=False) as answer:
            if answer.status in _REDIRECTS:  # which the SDK's client follows
                return await self._by_sdk(client, path, body, headers, route)
            encoding = answer.headers.get("content-encoding", "")
            if not encoding and answer.content_length is not None and answer.content_length <= MOST_BYTES:
                return Answer(answer.status, answer.headers, await answer.read())
            stream = _Bounded(answer.content.iter_any(), encoding, MOST_BYTES)
            return Answer(answer.status, answer.headers, b"".join([part async for part in stream]))

    async def _by_sdk(self, client: Any, path: str, body: bytes, headers: Mapping[str, str] | None, route: _Route) -> Answer:
        options = {"headers": {**(headers or {}), "content-type": "application/json"}}
        told = _FIRST.set(route)
        try:
            return Answer.of(await client.post(path, cast_to=httpx2.Response, content=body, options=options))
        finally:
            _FIRST.reset(told)
            route.sent.set()

    async def close(self) -> None:
        """Close the connections that are not the SDK client's."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=_tls())
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


def _tls() -> ssl.SSLContext:
    """What servers' certificates are checked with: one for all clients, since reading the authorities takes 30 ms."""
    return _tls_of(env.authorities())


@lru_cache(maxsize=4)
def _tls_of(authorities: tuple[str | None, str | None]) -> ssl.SSLContext:
    del authorities  # httpx2 looks at them
    return httpx2.create_ssl_context()


def _proxy(url: httpx2.URL) -> str | None:
    """The proxy of the environment for `url`. aiohttp would look for it anew, in a thread, for every request."""
    if urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    return found if found is None or "://" in found else f"http://{found}"


def http_timeout(options: ModelOptions) -> httpx2.Timeout:
    """Timeouts of the SDKs' clients: each read may take the whole of `timeout_s`, connecting no more than ten seconds."""
    return httpx2.Timeout(options.timeout_s, connect=min(options.timeout_s, 10.0))


class _Bounded(httpx2.AsyncByteStream):
    """An answer's bytes, unpacked, up to a bound: of all of them, or of each line (results of a batch have no other)."""

    def __init__(self, stream: AsyncIterator[bytes] | httpx2.AsyncByteStream, encoding: str, most: int, *, by_line: bool = False) -> None:
        encoding = encoding.lower().strip()
        self._stream, self._most, self._by_line = stream, most, by_line
        self._unpack = zlib.decompressobj(_UNPACKED[encoding]) if encoding in _UNPACKED else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._most
        async for packed in self._stream:
            while packed:
                data, packed = self._opened(packed)
                left = self._most if self._by_line and b"\n" in data else left - len(data)
                if left < 0:
                    raise TooLongError(f"the answer is longer than {self._most / 1e6:g} MB")
                if data:
                    yield data

    async def aclose(self) -> None:
        if isinstance(self._stream, httpx2.AsyncByteStream):
            await self._stream.aclose()

    def _opened(self, packed: bytes) -> tuple[bytes, bytes]:
        """(some of what `packed` holds, what is left of it)."""
        if self._unpack is None:
            return packed, b""
        try:
            return self._unpack.decompress(packed, 1 << 20), self._unpack.unconsumed_tail
        except zlib.error as error:
            raise httpx2.DecodingError(f"the answer cannot be unpacked ({error})") from None


async def _learn(request: httpx2.Request) -> None:
    """Keep where the SDK sends its first request; called before it is sent."""
    route = _FIRST.get()
    if route is not None:
        route.ready = _Ready.of(request)
        route.sent.set()


def _leave_keys_behind(response: httpx2.Response) -> None:
    """Take off what only this server may see, where `response` leads elsewhere: the client itself takes off `Authorization` alone."""
    here = response.request.url
    try:
        there = here.join(response.headers["location"])
    except httpx2.InvalidURL:  # the client says so
        return
    safer = (here.host, here.scheme, there.scheme) == (there.host, "http", "https")
    if (here.scheme, here.host, here.port) != (there.scheme, there.host, there.port) and not safer:
        for name in set(response.request.headers) - _PLAIN:
            del response.request.headers[name]


async def _bounded(response: httpx2.Response) -> None:
    """Bound what may be read of an SDK's `response`; called before anything is."""
    if response.has_redirect_location:
        _leave_keys_behind(response)
    encoding = response.headers.get("content-encoding", "")
    if encoding.lower().strip() in _UNPACKED:
        del response.headers["content-encoding"]
    events = response.headers.get("content-type", "").startswith("text/event-stream")
    by_line = "json" not in response.request.headers.get("accept", "json") and not events
    stream = response.stream
    assert isinstance(stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(stream, encoding, MOST_BYTES * (_STREAMED if events else 1), by_line=by_line)
