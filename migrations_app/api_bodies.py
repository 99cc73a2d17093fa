"""Bodies and documents of the migrations' part of the API."""

from __future__ import annotations

import dataclasses
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from fleet.api.serializers import CheckSerializer, FormerReference, JobSerializer, Reference, shape_of, words
from fleet.api.strict import Body
from fleet.planning.estimate import Forecast
from fleet.refusals import Refused
from fleet.states import JobState
from migrations_app import modes, options
from migrations_app.models import Migration
from migrations_app.options import Options

MAX_ITEMS = 100


def _options_schema() -> dict[str, Any]:
    """Every option with its default, so that a new one is described without a second place to write it."""
    properties = {item.name: _option_schema(item.name, item.default) for item in dataclasses.fields(Options)}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _option_schema(name: str, default: Any) -> dict[str, Any]:
    names = {bool: "boolean", int: "integer", str: "string"}
    if name == "disks":
        words = {"type": "string"}
        place = {"type": "object", "properties": {"pool": words, "path": words}, "additionalProperties": False}
        return {"type": "object", "additionalProperties": place}
    if default is None:
        return {"type": "boolean", "nullable": True, "default": None}
    return {"type": names[type(default)], "default": default}


@extend_schema_field(_options_schema())
class OptionsField(serializers.DictField):
    """`Options`, with unknown names refused."""

    def to_internal_value(self, data: Any) -> Any:
        """The options as a value."""
        try:
            return options.parse(super().to_internal_value(data))
        except Refused as refusal:
            message = f"{refusal.text} {'Known: ' if refusal.code == 'unknown_option' else ''}{refusal.remedy}".strip()
            name = refusal.field.removeprefix("options").strip("/")
            raise serializers.ValidationError({name: message} if name else message) from refusal


class MigrationBody(Body):
    """A wish to move one guest."""

    guest = serializers.CharField(help_text="Its id, its libvirt UUID, or its name where only one has it.")
    destination = serializers.CharField(
        required=False, allow_null=True, help_text="A host's id or name; left out: the best one."
    )
    mode = serializers.ChoiceField(
        [*modes.MODES, Migration.Mode.STORAGE.value],
        default="auto",
        help_text="`storage` moves a running guest's disks to `options.target_pool`, or as `options.disks` says, "
        "on the host it is on.",
    )
    storage = serializers.ChoiceField(modes.STORAGES, default="auto")
    options = OptionsField(required=False)
    not_before = serializers.DateTimeField(
        required=False, allow_null=True, help_text="It waits in the queue until then; its room is kept for it."
    )


class ManyBody(Body):
    """A wish to move several guests: all are accepted, or none."""

    items = serializers.ListField(child=MigrationBody(), min_length=1, max_length=MAX_ITEMS)


class MigrationSerializer(serializers.Serializer[Any]):
    """A migration; its job tells how it is going."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    job = serializers.CharField(help_text="The address of its job.")
    state = serializers.ChoiceField(words(JobState))
    guest = FormerReference()
    uuid = serializers.UUIDField(help_text="The guest's libvirt UUID.")
    source = FormerReference()  # type: ignore[assignment]
    destination = FormerReference()
    mode = serializers.ChoiceField(Migration.Mode.choices)
    storage = serializers.ChoiceField(Migration.Storage.choices)
    map = serializers.CharField(help_text="The map it was decided with, by name; empty: none.")
    options = serializers.DictField()
    receipt = serializers.DictField(help_text="The proof of what happened; empty until the end.")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class JobsSerializer(serializers.Serializer[Any]):
    """The jobs of several moves, in the order of the items, and the job that stands for all of them."""

    parent = JobSerializer()
    jobs = JobSerializer(many=True)


ForecastSerializer = shape_of(Forecast)


class DryRunSerializer(serializers.Serializer[Any]):
    """What a move would be; nothing was stored."""

    allowed = serializers.BooleanField()
    destination = Reference(allow_null=True)
    storage = serializers.CharField(allow_null=True)
    map = serializers.CharField(help_text="The map that holds, by name; empty: none.")
    checks = CheckSerializer(many=True)
    forecast = ForecastSerializer(allow_null=True)
    xml_difference = serializers.ListField(
        child=serializers.CharField(), help_text="What changes in its definition, as lines of a diff; empty: nothing."
    )


class DestinationSerializer(serializers.Serializer[Any]):
    """A host as a destination for a guest."""

    host = Reference()
    site = serializers.CharField(allow_null=True)
    mode = serializers.ChoiceField(modes.MODES[1:], help_text="What the wished mode means for it as it stands.")
    allowed = serializers.BooleanField()
    score = serializers.FloatField(help_text="Greater is better.")
    storage = serializers.CharField()
    map = serializers.CharField(help_text="The map that holds for a move there, by name; empty: none.")
    checks = CheckSerializer(many=True)
    forecast = ForecastSerializer()
