"""The description of the API is valid OpenAPI 3.1 and says every route that is served, once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel
from support.city_app import CityApp, city_app
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.openapi import describe
from tallystick_cloud.http.route import Call, GidHex, RouteTable


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CityApp]:
    with city_app(tmp_path_factory.mktemp("city")) as found:
        yield found


def test_description_is_valid_and_lists_every_route(app: CityApp) -> None:
    found: dict[str, Any] = describe(app.table, "Tallystick", "0")
    OpenAPIV31SpecValidator(found).validate()
    listed = {(method.upper(), path) for path, item in found["paths"].items() for method in item}
    assert listed == {(route.method, route.template) for route in app.table}


def test_every_operation_says_who_may_call_it_and_has_its_own_name(app: CityApp) -> None:
    found = describe(app.table, "Tallystick", "0")
    operations = [operation for item in found["paths"].values() for operation in item.values()]
    assert all(operation["x-roles"] and operation["summary"] for operation in operations)
    names = [operation["operationId"] for operation in operations]
    assert sorted(names) == sorted(set(names))


class Answer(BaseModel):
    """An answer."""

    amount_nano: str


def test_types_of_a_handler_become_parameters_and_schemas() -> None:
    table = RouteTable()

    @table.route("GET", "/v1/gateways/{gid}/uses", roles={Role.OWNER})
    async def list_uses(call: Call, gid: GidHex, after: int = 0) -> Answer:
        """Uses of a gateway."""
        return Answer(amount_nano="0")

    operation = describe(table, "t", "0")["paths"]["/v1/gateways/{gid}/uses"]["get"]
    assert [(one["name"], one["in"], one["required"]) for one in operation["parameters"]] == [
        ("gid", "path", True),
        ("after", "query", False),
    ]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/Answer"}
    assert operation["security"] == [{"session": []}, {"token": []}]


def test_a_route_that_says_too_little_cannot_be_registered() -> None:
    table = RouteTable()

    async def silent(call: Call) -> bytes:
        return b""

    async def spoken(call: Call) -> bytes:
        """Says something."""
        return b""

    async def untyped(call, thing):  # type: ignore[no-untyped-def]
        """Has no types."""

    for handler, method, path, roles in (
        (spoken, "GET", "/a", set()),
        (silent, "GET", "/a", {Role.PUBLIC}),
        (spoken, "BREW", "/a", {Role.PUBLIC}),
        (spoken, "GET", "/a/{missing}", {Role.PUBLIC}),
        (untyped, "GET", "/a", {Role.PUBLIC}),
    ):
        with pytest.raises(ValueError, match="/a"):
            table.route(method, path, roles=roles)(handler)
    table.route("GET", "/a", roles={Role.PUBLIC})(spoken)
    with pytest.raises(ValueError, match="twice"):
        table.route("GET", "/a", roles={Role.PUBLIC})(spoken)
    with pytest.raises(ValueError, match="spoken is the name of GET /a already"):
        table.route("GET", "/b", roles={Role.PUBLIC})(spoken)
    assert len(table) == 1
