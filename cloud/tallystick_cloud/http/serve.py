"""Turns a route table into an aiohttp application: who calls, may they, what did they send, what is answered.

It never serves an address that is not in the table, and no handler runs before its caller was let in."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, hdrs, web
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import OperationalError

from tallystick_cloud import errors as domain
from tallystick_cloud.http import csrf
from tallystick_cloud.http.authz import Principal, PrincipalKind, permit
from tallystick_cloud.http.errors import (
    BadRequest,
    BodyTooLarge,
    Broken,
    Busy,
    Conflict,
    FieldError,
    Forbidden,
    NotAllowed,
    NotFound,
    NotValid,
    Problem,
)
from tallystick_cloud.http.headers import secure
from tallystick_cloud.http.route import MULTIPART, Call, Parameter, Port, Route, RouteTable, Source, adapter

BODY_TIMEOUT_S = 30
"""A body that takes longer comes from a dead link; the sender tries again."""
FORM_FIELDS_MAX = 50
"""No form of ours has more; a longer one is not a form."""
HTML = "text/html"
PROBLEM = "application/problem+json"
_log = logging.getLogger(__name__)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Doorkeeper(Protocol):
    """Tells who calls, with the CSRF token of the session."""

    async def who(self, request: web.Request) -> tuple[Principal, str]: ...


class ErrorPages(Protocol):
    """Draws a problem as a page for people."""

    def __call__(self, request: web.Request, problem: Problem) -> web.StreamResponse: ...


def bind(table: RouteTable, port: Port, doorkeeper: Doorkeeper, error_page: ErrorPages) -> web.Application:
    """The application that serves the routes of `port`, and nothing else."""
    app = web.Application(middlewares=[_guard(table, error_page)])
    for route in table:
        if port in route.ports:
            bound = _Bound(route, doorkeeper)
            app.router.add_route(route.method, route.path, bound.answer)
            if route.method == hdrs.METH_GET:
                app.router.add_route(hdrs.METH_HEAD, route.path, bound.answer)
    return app


class _Bound:
    """One route, ready to answer; validators are built once."""

    def __init__(self, route: Route, doorkeeper: Doorkeeper) -> None:
        self.route = route
        self._doorkeeper = doorkeeper
        self._inputs = tuple((parameter, adapter(parameter.annotation)) for parameter in route.parameters)
        self._output = None if _sends_itself(route.returns) else adapter(route.returns)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        principal, token = await self._doorkeeper.who(request)
        community = request.match_info.get("community")
        permit(self.route.roles, principal, community, _gid(request))
        if csrf.needs_check(request.method, principal):
            csrf.check_origin(request)
        body = await self._read(request)
        if csrf.needs_check(request.method, principal) and principal.kind is PrincipalKind.SESSION:
            csrf.check_token(token, _csrf_given(request, body))
        call = Call(request, principal, community or principal.community, token)
        result = await self.route.handler(call, **self._arguments(request, body))
        return self._answer(result)

    async def _read(self, request: web.Request) -> Any:
        """The body as bytes, or as a dict of strings (and files as bytes) when it is a form."""
        if request.method in csrf.SAFE_METHODS:
            return b""
        if request.content_type == self.route.takes == MULTIPART:
            return await _read_parts(request, self.route.body_bytes_max)
        raw = await _read_limited(request, self.route.body_bytes_max)
        if request.content_type != "application/x-www-form-urlencoded":
            return raw
        return _form_fields(raw)

    def _arguments(self, request: web.Request, body: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        wrong: list[FieldError] = []
        for parameter, validator in self._inputs:
            try:
                self._take(request, body, parameter, validator, found)
            except ValidationError as error:
                wrong.extend(_field_errors(parameter, error))
        if wrong:
            raise NotValid("; ".join(f"{one.field}: {one.reason}" for one in wrong), fields=tuple(wrong))
        return found

    def _take(
        self, request: web.Request, body: Any, parameter: Parameter, validator: TypeAdapter[Any], found: dict[str, Any]
    ) -> None:
        match parameter.source:
            case Source.PATH:
                found[parameter.name] = validator.validate_strings(request.match_info[parameter.name])
            case Source.QUERY:
                if parameter.name in request.query:
                    found[parameter.name] = validator.validate_strings(request.query[parameter.name])
                elif parameter.required:
                    raise NotValid(f"{parameter.name}: is missing in the query")
            case Source.BODY:
                found["body"] = self._body(request, body, parameter, validator)
            case Source.FORM:
                fields = body if isinstance(body, dict) else {}
                found["form"] = validator.validate_python({k: v for k, v in fields.items() if k != csrf.FIELD})

    def _body(self, request: web.Request, body: Any, parameter: Parameter, validator: TypeAdapter[Any]) -> Any:
        if request.content_type != self.route.takes:
            raise NotValid(
                f"Content-Type: is {request.content_type}, not {self.route.takes}", code="unsupported-media-type"
            )
        if parameter.annotation is bytes:
            return body
        return validator.validate_json(body or b"null")

    def _answer(self, result: Any) -> web.StreamResponse:
        if isinstance(result, web.StreamResponse):
            return result
        if self._output is None:
            data = bytes(result) if result is not None else b""
        else:
            data = self._output.dump_json(result, by_alias=True)
        return web.Response(body=data, status=self.route.status, content_type=self.route.gives)


def _sends_itself(returns: Any) -> bool:
    is_stream = isinstance(returns, type) and issubclass(returns, web.StreamResponse)
    return returns is bytes or returns is type(None) or returns is None or is_stream


def _check_length(request: web.Request, limit: int) -> None:
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(f"the body has {request.content_length} bytes, this address takes {limit}")


async def _read_limited(request: web.Request, limit: int) -> bytes:
    _check_length(request, limit)
    found = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                found += chunk
                if len(found) > limit:
                    raise BodyTooLarge(f"the body has more than the {limit} bytes this address takes")
    except TimeoutError:
        raise BadRequest(f"the body did not arrive within {BODY_TIMEOUT_S} s", code="body-timeout") from None
    return bytes(found)


async def _read_parts(request: web.Request, limit: int) -> dict[str, str | bytes]:
    """The fields of a form with a file; a file is bytes."""
    _check_length(request, limit)
    found: dict[str, str | bytes] = {}
    left = limit
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for part in await request.multipart():
                if not isinstance(part, BodyPartReader) or not part.name or len(found) >= FORM_FIELDS_MAX:
                    raise BadRequest("the form cannot be read: a part without a name, or too many of them")
                data = bytearray()
                while chunk := await part.read_chunk():
                    data += chunk
                    if len(data) > left:
                        raise BodyTooLarge(f"the form has more than the {limit} bytes this address takes")
                left -= len(data)
                found[part.name] = bytes(data) if part.filename is not None else data.decode()
    except TimeoutError:
        raise BadRequest(f"the body did not arrive within {BODY_TIMEOUT_S} s", code="body-timeout") from None
    except ValueError as error:
        raise BadRequest(f"the form cannot be read: {error}") from None
    return found


def _form_fields(raw: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX)
    except ValueError as error:
        raise BadRequest(f"the form cannot be read: {error}") from None
    return dict(pairs)


def _csrf_given(request: web.Request, body: Any) -> str:
    header = request.headers.get(csrf.HEADER)
    return header if header is not None else str(body.get(csrf.FIELD, "")) if isinstance(body, dict) else ""


def _gid(request: web.Request) -> bytes | None:
    text = request.match_info.get("gid")
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _field_errors(parameter: Parameter, error: ValidationError) -> list[FieldError]:
    found = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        path = [parameter.name] if parameter.source in (Source.PATH, Source.QUERY) else []
        found.append(FieldError(".".join([*path, *map(str, one["loc"])]) or parameter.name, one["msg"]))
    return found


def _guard(table: RouteTable, error_page: ErrorPages) -> Any:
    pages = {(route.method, route.template) for route in table if route.gives == HTML}

    @web.middleware
    async def guard(request: web.Request, handler: Answer) -> web.StreamResponse:
        try:
            response = await handler(request)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the border of a request: whatever broke, the caller gets a cause and a next step
            response = _refuse(request, _problem_of(error), pages, error_page)
        if not response.prepared:
            secure(response)
        return response

    return guard


def _refuse(
    request: web.Request, problem: Problem, pages: set[tuple[str, str]], error_page: ErrorPages
) -> web.StreamResponse:
    resource = request.match_info.route.resource
    is_page = resource is not None and (request.method, resource.canonical) in pages
    by_person = HTML in request.headers.get("Accept", "")
    by_script = "HX-Request" in request.headers  # the page stays as it is and says the problem
    if not by_script and (is_page or (by_person and not request.path.startswith("/v1/"))):
        return error_page(request, problem)
    return web.Response(status=problem.status, text=json.dumps(problem.body()), content_type=PROBLEM)


def _problem_of(error: Exception) -> Problem:
    """What a caller is told about any exception; only our own kinds show their words."""
    match error:
        case Problem():
            return error
        case domain.CloudError():
            return _of_domain(error)
        case web.HTTPNotFound():
            return NotFound("no page or call has this address")
        case web.HTTPMethodNotAllowed():
            return NotAllowed(f"takes {', '.join(sorted(error.allowed_methods))}")
        case web.HTTPException():
            return BadRequest(error.reason)
        case OperationalError():
            _log.error("the database does not answer: %s", str(error.orig).partition("\n")[0])
            return Busy("the database does not answer now; nothing was changed")
        case _:
            reference = f"{id(error):x}"[-8:]
            _log.exception("request failed, reference %s", reference)
            return Broken(f"reference {reference}")


def _of_domain(error: domain.CloudError) -> Problem:
    fields = (FieldError(error.field, error.reason),)
    kinds: dict[type[domain.CloudError], type[Problem]] = {
        domain.NotFound: NotFound,
        domain.Conflict: Conflict,
        domain.BadInput: NotValid,
        domain.Forbidden: Forbidden,
        domain.Busy: Busy,
    }
    for kind, problem in kinds.items():
        if isinstance(error, kind):
            return problem(str(error), code=error.code, fields=fields)
    return BadRequest(str(error), code=error.code, fields=fields)
