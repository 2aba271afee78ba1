"""Servers: providers that speak OpenAI's chat completions under an address and with quirks of their own (`gemini/…`, `ollama/…`).

A server is one entry of `[servers.*]` in `aliases.toml` or in the person's own file. What it is known to refuse is left out of every
request, and what it calls by another name is renamed; what it turns out to refuse is found out by asking (`bench.runner.client`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from bench import env
from bench.errors import UserError
from bench.models import tables


@dataclass(frozen=True, slots=True)
class Server:
    """One server.

    Attributes:
        about: for people, in a few words.
        base_url: where it listens; None where each person has an address of their own, named by the variable `url`.
        key: variable that holds the key; None where none is needed.
        key_optional: whether it may be asked without one.
        url: variable that names another address.
        path: what is added to an address from `url` that has no path.
        generation: what its models take where they are not listed (`[generations.*]`).
        models_of: provider whose list its models are looked up in (azure serves OpenAI's).
        refuses: parameters that it answers with an error; they are never sent.
        renames: parameters that it calls otherwise.
        reasoning: how the wish for reasoning is spelled: `reasoning_effort`, or an object `reasoning`.
        free: whether its models run on the person's own machine and cost nothing.
        stream: whether it answers in a stream only.
        headers, extra_body: sent with every request.
        docs: where its protocol is documented.
    """

    name: str
    about: str = "a server of your own"
    base_url: str | None = None
    key: str | None = None
    key_optional: bool = False
    url: str | None = None
    path: str = ""
    generation: str = "compatible"
    models_of: str | None = None
    refuses: tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    reasoning: Literal["effort", "object"] = "effort"
    free: bool = False
    stream: bool = False
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    extra_body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    docs: str = ""

    def address(self) -> str:
        """Where it listens.

        Raises:
            UserError: the variable that names it is not set, or holds no address.
        """
        named = env.read(self.url) if self.url is not None else None
        if named is None and self.base_url is None:
            raise UserError(f"no address for {self.name}: set {self.url}")
        if named is None:
            return checked_url(self.base_url or "", f"[servers.{self.name}]")
        if "://" not in named:  # OLLAMA_HOST is often written without
            named = f"http://{named}"
        return checked_url(named.rstrip("/") + (self.path if not urlsplit(named).path.strip("/") else ""), self.url or self.name)


DIRECT = Server("openai", "OpenAI, or any compatible server by --base-url", key=env.OPENAI_KEY, url=env.OPENAI_URL)
"""What `openai/…` is asked by; its address is decided by the name, --base-url, or the variable."""


@cache
def servers() -> Mapping[str, Server]:
    """All servers by name, in the order of the table.

    Raises:
        UserError: the person's file holds an entry that is none.
    """
    found = tables.section("servers", Server)
    for name, server in found.items():
        if server.base_url is None and server.url is None:
            raise UserError(f"[servers.{name}]: expected a base_url, or a variable that names it (url)")
    return found


def checked_url(url: str, what: str) -> str:
    """`url` where it is an http(s) address without credentials in it.

    Raises:
        UserError: it is none; `what` says where it came from. A password in it is not repeated.
    """
    parts = _address(url, what, ("http", "https"))
    if parts.username or parts.password:
        raise UserError(f"{what}: an address with a name or password in it would end up in records: set a key variable, or use --header")
    return url


def check_proxies(proxies: Mapping[str, str]) -> None:
    """See that `proxies`, by the kind of address that goes through them, are addresses.

    Raises:
        UserError: one is none; the message says which.
    """
    for kind, address in proxies.items():
        if kind in ("http", "https", "all"):
            schemes = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
            _address(address if "://" in address else f"http://{address}", f"{kind.upper()}_PROXY", schemes)


def _address(url: str, what: str, schemes: Sequence[str]) -> SplitResult:
    """The parts of `url`, where it is an address with one of `schemes`.

    Raises:
        UserError: it is none. A password in it is not repeated.
    """
    shown = re.sub(r"//[^/]*@|[?#].*", lambda part: "//…@" if part[0].startswith("//") else "?…", url, flags=re.DOTALL)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port  # which is read here, and may be no number
        host.encode("idna")  # as whoever looks it up does: a name has parts of 63 characters
    except ValueError as error:
        raise UserError(f"{what}: {shown!r} is no address ({error})") from None
    if parts.scheme not in schemes or not host or re.search(r"[\s\x00-\x1f]", url):
        raise UserError(f"{what}: expected {'://… or '.join(schemes[:2])}://…, found {shown!r}")
    return parts
