"""The OpenAPI file tells the truth: it is what the code says, and answers are what it says."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

from fleet.models import JobEvent, JobStep
from tests.fleet.api.test_lists import many

FILE = Path(__file__).parents[3] / "docs" / "openapi.yaml"


@cache
def schema() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


def check(document: Any, name: str) -> None:
    described = schema()["components"]["schemas"]
    whole = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": _strict(described)}}
    jsonschema.Draft202012Validator(whole).validate(document)


def _strict(described: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0's `nullable` as JSON Schema, and no member that is not described."""

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(one) for one in node]
        if not isinstance(node, dict):
            return node
        node = {name: walk(inner) for name, inner in node.items()}
        if node.get("type") == "object" and "properties" in node and "additionalProperties" not in node:
            node["additionalProperties"] = False
        if node.pop("nullable", False):
            return {"anyOf": [node, {"type": "null"}]}
        return node

    return walk(described)


def test_the_file_is_what_the_code_says(tmp_path):
    now = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(now))
    assert now.read_text() == FILE.read_text(), "run: make schema"


def test_every_address_is_described_once():
    names = [operation["operationId"] for path in schema()["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    assert yaml.safe_load(FILE.read_text())["openapi"].startswith("3.")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("sites", "Site"),
        ("site-links", "SiteLink"),
        ("hosts", "Host"),
        ("guests", "Guest"),
        ("jobs", "Job"),
        ("events", "NumberedEvent"),
        ("migrations", "Migration"),
        ("audit", "Audit"),
        ("tokens", "Token"),
    ],
)
def test_documents_are_as_described(cast, admin, address, name):
    many(2)
    step = JobStep.objects.first()
    JobEvent.objects.create(job=step.job, seq=9, code="x", message="x", data={"any": [1]})
    page = admin.get(f"/api/v1/{address}/").json()
    check(page, f"Paginated{name}List")
    assert page["results"]
    for row in page["results"]:
        check(row, name)
        if "url" in row:
            check(admin.get(row["url"]).json(), name)


def test_problems_are_as_described(cast, anonymous, admin):
    check(anonymous.get("/api/v1/hosts/").json(), "Problem")
    check(admin.post("/api/v1/hosts/", {}).json(), "Problem")


def test_the_viewer_needs_nothing_from_elsewhere(anonymous, db):
    for address in ("/api/v1/docs/", "/api/v1/docs/?script="):
        page = anonymous.get(address)
        assert page.status_code == 200
        assert "//cdn" not in page.content.decode()
    assert "<script>" not in anonymous.get("/api/v1/docs/").content.decode()
