"""The OpenAPI 3.1 description, made from the same route table that is served, so that it cannot differ from it.

It never adds or hides a route."""

from typing import Any

from pydantic import TypeAdapter

from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.route import MULTIPART, Parameter, Port, Route, RouteTable, Source, adapter

VERSION = "3.1.0"
_PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "next_step"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "next_step": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}
_SECURITY_SCHEMES: dict[str, Any] = {
    "session": {"type": "apiKey", "in": "cookie", "name": "tallystick_session"},
    "token": {"type": "http", "scheme": "bearer"},
    "gateway": {"type": "mutualTLS", "description": "client certificate whose common name is the gateway id"},
}


def describe(table: RouteTable, title: str, version: str) -> dict[str, Any]:
    """The whole document; every route of the table is in it once."""
    inputs: list[Any] = [
        ((index, parameter.name), "validation", adapter(parameter.annotation))
        for index, route in enumerate(table)
        for parameter in route.parameters
        if parameter.annotation is not bytes
    ]
    outputs: list[Any] = [
        ((index, "return"), "serialization", adapter(route.returns))
        for index, route in enumerate(table)
        if _is_typed(route)
    ]
    schemas, definitions = TypeAdapter.json_schemas([*inputs, *outputs], ref_template="#/components/schemas/{model}")
    by_key = {key: schema for (key, _mode), schema in schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for index, route in enumerate(table):
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(index, route, by_key)
    return {
        "openapi": VERSION,
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Problem": _PROBLEM},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _is_typed(route: Route) -> bool:
    return route.gives == "application/json" and route.returns not in (bytes, None, type(None))


def _operation(index: int, route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"schema": schemas[index, "return"]} if _is_typed(route) else {}
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [
            _parameter(one, schemas[index, one.name])
            for one in route.parameters
            if one.source in (Source.PATH, Source.QUERY)
        ],
        "responses": {
            str(route.status): {"description": "Done", "content": {route.gives: answer}},
            "default": {
                "description": "Refused; says why and what to do next",
                "content": {"application/problem+json": {"schema": _PROBLEM_REF}},
            },
        },
        "security": _security(route),
        "x-roles": sorted(role.value for role in route.roles),
        "x-ports": sorted(port.value for port in route.ports),
    }
    if route.tag:
        found["tags"] = [route.tag]
    body = _request_body(index, route, schemas)
    return {**found, "requestBody": body} if body else found


def _parameter(one: Parameter, schema: Any) -> dict[str, Any]:
    return {"name": one.name, "in": one.source.value, "required": one.required, "schema": schema}


def _request_body(index: int, route: Route, schemas: dict[Any, Any]) -> dict[str, Any] | None:
    for one in route.parameters:
        if one.source is Source.FORM:
            return {
                "required": True,
                "content": {_form_type(route): {"schema": schemas[index, "form"]}},
            }
        if one.source is Source.BODY:
            content = {} if one.annotation is bytes else {"schema": schemas[index, "body"]}
            return {"required": True, "content": {route.takes: content}}
    return None


def _form_type(route: Route) -> str:
    return MULTIPART if route.takes == MULTIPART else "application/x-www-form-urlencoded"


def _security(route: Route) -> list[dict[str, list[str]]]:
    if Role.PUBLIC in route.roles:
        return []
    found: list[dict[str, list[str]]] = []
    if Port.WEB in route.ports and route.roles - {Role.GATEWAY}:
        found += [{"session": []}, {"token": []}]
    if Role.GATEWAY in route.roles:
        found.append({"gateway": []})
    return found
