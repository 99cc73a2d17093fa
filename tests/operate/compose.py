"""Judges docker-compose.yml without Docker: against the published schema, and against what this repository holds.

compose-spec.json beside this file is schema/compose-spec.json of github.com/compose-spec/compose-spec at 170098b
(Apache-2.0).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = ROOT / "docker-compose.yml"
SCHEMA = Path(__file__).with_name("compose-spec.json")


def document() -> dict[str, Any]:
    """The file with its anchors resolved."""
    return yaml.safe_load(FILE.read_text())


def problems(found: dict[str, Any]) -> list[str]:
    """What is wrong with it; empty when nothing is."""
    schema = json.loads(SCHEMA.read_text())
    validator = jsonschema.Draft7Validator(schema)
    wrong = [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(found)]
    services = found.get("services", {})
    for name, service in services.items():
        wrong += [f"{name}: {text}" for text in problems_of(service, found)]
        wrong += [f"{name}: depends on '{other}', which is no service" for other in set(needs(service)) - set(services)]
    return wrong


def needs(service: dict[str, Any]) -> list[str]:
    """Names of the services it waits for."""
    return list(service.get("depends_on", {}))


def problems_of(service: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What the schema cannot know: pinned images, health checks, named volumes, settings that exist."""
    wrong = []
    tag = service.get("image", "").partition(":")[2]
    if not any(character.isdigit() for character in tag):
        wrong.append(f"image '{service.get('image')}' is not pinned")
    if not service.get("healthcheck"):
        wrong.append("no health check")
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if not source.startswith((".", "/")) and source not in found.get("volumes", {}):
            wrong.append(f"volume '{source}' is not declared")
    settings = (ROOT / "fleet" / "settings.py").read_text() + (ROOT / "docker" / "start").read_text()
    names = [name for name in service.get("environment", {}) if name.startswith("DROVER_")]
    return wrong + [f"nothing reads the setting {name}" for name in names if name not in settings]


if __name__ == "__main__":
    complaints = problems(document())
    print("\n".join(complaints))
    sys.exit(1 if complaints else 0)
