"""Request bodies in which every field is known: a misspelt one is an error, never silently dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers


class Body(serializers.Serializer[Any]):
    """A request body; refuses fields it does not know, naming them and the known ones."""

    def to_internal_value(self, data: Any) -> Any:
        """As the framework does, after a look at the names."""
        if isinstance(data, Mapping):
            unknown = [str(name) for name in data if name not in self.fields]
            if unknown:
                known = ", ".join(name for name, field in self.fields.items() if not field.read_only)
                raise serializers.ValidationError(
                    {name: f"There is no field '{name}'. Known fields: {known}." for name in unknown}
                )
        return super().to_internal_value(data)


class Words(serializers.ListField):
    """A list of short texts."""

    child = serializers.CharField(max_length=64)
