"""The typed route layer: a route states method, path, who may call it, and its types; the table is what gets served.

It never serves a route that does not say who may call it, and it holds no business rule.

A handler is `async def name(call: Call, ...)`; its further parameters say where they come from:
    a name in the path            -> path parameter          (`gid: GidHex`, `seq: int`)
    `body: SomeModel` / `bytes`   -> JSON body / raw body    (raw: state `takes="application/cbor"`)
    `form: SomeModel`             -> an HTML form            (checked for CSRF; with a file: `takes=MULTIPART`)
    anything else                 -> query parameter         (`after: int = 0`)
and its return annotation what is sent: a pydantic model or any JSON type, `bytes` (state `gives=`), or a
`web.StreamResponse` (state `gives=`, e.g. "text/html").

    table = RouteTable()

    @table.route("PUT", "/v1/gateways/{gid}/batches/{epoch}/{seq}", roles={Role.GATEWAY}, on={Port.GATEWAY},
                 takes="application/cbor", gives="application/cbor", body_bytes_max=4_000_000)
    async def put_batch(call: Call, gid: GidHex, epoch: int, seq: int, body: bytes) -> bytes: ...

Raise a `Problem` of errors.py to refuse. A path parameter named `community` or `gid` is checked against the caller."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Protocol, TypeVar, get_type_hints

from aiohttp import web
from pydantic import Field, StringConstraints, TypeAdapter

from tallystick_cloud.http.authz import Principal, Role

BODY_BYTES_MAX = 65_536
"""Default limit of a request body: JSON and forms of people stay far below; routes for batches state their own."""

GidHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""A gateway id in a path: 16 bytes as lower-case hex."""

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""Every whole number in a path, query or answer: what both databases can hold."""

MULTIPART = "multipart/form-data"
"""What a route takes whose form carries a file."""

METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})
_PARAMETER = re.compile(r"{(\w+)(?::[^}]*)?}")


class Port(StrEnum):
    """Where a route is served: the web port for people, or the TLS port for gateways."""

    WEB = "web"
    GATEWAY = "gateway"


class Source(StrEnum):
    """Where a parameter of a handler comes from."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"
    FORM = "form"


@dataclass(frozen=True, slots=True)
class Call:
    """What every handler gets: who calls, in which community, and the request for headers and streams."""

    request: web.Request
    principal: Principal
    community: str | None
    csrf: str = ""


class Handler(Protocol):
    """A handler as written by the domains."""

    __name__: str
    __doc__: str | None

    def __call__(self, call: Call, /, *args: Any, **kwargs: Any) -> Awaitable[Any]: ...


@dataclass(frozen=True, slots=True)
class Parameter:
    """One typed input of a route; `default` is `inspect.Parameter.empty` when the caller must give it."""

    name: str
    source: Source
    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether a call without it is refused."""
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Route:
    """One statement of the table; `takes` and `gives` are media types."""

    method: str
    path: str
    roles: frozenset[Role]
    ports: frozenset[Port]
    handler: Callable[..., Awaitable[Any]]
    parameters: tuple[Parameter, ...]
    returns: Any
    takes: str
    gives: str
    status: int
    tag: str
    body_bytes_max: int

    @property
    def name(self) -> str:
        """The operation id: the handler's name."""
        return str(getattr(self.handler, "__name__", "handler"))

    @property
    def summary(self) -> str:
        """First line of the handler's docstring."""
        return (self.handler.__doc__ or "").strip().split("\n")[0]

    @property
    def template(self) -> str:
        """The path without aiohttp's parameter patterns, as OpenAPI writes it."""
        return _PARAMETER.sub(r"{\1}", self.path)


F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


class RouteTable:
    """Collects routes; refuses one that says nothing about who may call it or that is there already."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], Route] = {}
        self._names: dict[str, str] = {}

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes.values())

    def __len__(self) -> int:
        return len(self._routes)

    def route(
        self,
        method: str,
        path: str,
        *,
        roles: Set[Role],
        on: Set[Port] = frozenset({Port.WEB}),
        takes: str = "application/json",
        gives: str = "application/json",
        status: int = 200,
        tag: str = "",
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> Callable[[F], F]:
        """Register the decorated handler; raises ValueError when the statement is incomplete."""

        def register(handler: F) -> F:
            ports = frozenset(on)
            parameters, returns = read_signature(handler, path)
            self.add(
                Route(
                    method,
                    path,
                    frozenset(roles),
                    ports,
                    handler,
                    parameters,
                    returns,
                    takes,
                    gives,
                    status,
                    tag,
                    body_bytes_max,
                )
            )
            return handler

        return register

    def add(self, route: Route) -> None:
        """Take one route; default is deny, so roles and a docstring must be there."""
        if route.method not in METHODS:
            raise ValueError(f"{route.path}: method {route.method} is not one of {', '.join(sorted(METHODS))}")
        if not route.roles:
            raise ValueError(f"{route.method} {route.path}: state who may call it (roles={{Role...}})")
        if not route.ports:
            raise ValueError(f"{route.method} {route.path}: state on which port it is served")
        if not route.summary:
            raise ValueError(f"{route.method} {route.path}: the handler needs a docstring; it is the API's text")
        if (route.method, route.template) in self._routes:
            raise ValueError(f"{route.method} {route.path} is registered twice")
        if route.name in self._names:
            raise ValueError(
                f"{route.method} {route.path}: {route.name} is the name of {self._names[route.name]} already"
            )
        self._names[route.name] = f"{route.method} {route.path}"
        self._routes[route.method, route.template] = route

    def include(self, routes: Iterable[Route]) -> None:
        """Take all routes of another table."""
        for route in routes:
            self.add(route)


def read_signature(handler: Callable[..., Awaitable[Any]], path: str) -> tuple[tuple[Parameter, ...], Any]:
    """Parameters and return type of a handler; raises ValueError when one has no type or the path names none."""
    hints = get_type_hints(handler, include_extras=True)
    in_path = set(_PARAMETER.findall(path))
    found = []
    for name, parameter in list(inspect.signature(handler).parameters.items())[1:]:
        if name not in hints:
            raise ValueError(f"{path}: parameter {name} has no type")
        found.append(Parameter(name, _source(name, in_path), hints[name], parameter.default))
    missing = in_path - {one.name for one in found}
    if missing:
        raise ValueError(f"{path}: the handler does not take {', '.join(sorted(missing))}")
    if "return" not in hints:
        raise ValueError(f"{path}: the handler does not say what it returns")
    return tuple(found), hints["return"]


def _source(name: str, in_path: set[str]) -> Source:
    if name in in_path:
        return Source.PATH
    if name in (Source.BODY, Source.FORM):
        return Source(name)
    return Source.QUERY


def adapter(annotation: Any) -> TypeAdapter[Any]:
    """The validator of a type; one place, so that parsing and OpenAPI read the same types."""
    return TypeAdapter(Int64 if annotation is int else annotation)
