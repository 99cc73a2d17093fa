"""`guests/ID/xml-difference/`: what would change in a guest's definition on its way, before anything is started."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api import lookups, parameters
from fleet.api.endpoint import Endpoint
from fleet.api.schema import problems
from fleet.api.serializers import CheckSerializer, Reference
from fleet.models import Guest
from migrations_app import options, xml_difference
from migrations_app.flows.destinations import destinations
from migrations_app.modes import MODES, STORAGES

_WORDS = {"mode": MODES, "storage": STORAGES}
#: Options that can change a definition.
_OPTIONS = ("map", "target_network", "target_pool", "media", "route")


class DifferenceSerializer(serializers.Serializer[Any]):
    """What would change in a guest's definition."""

    destination = Reference()
    map = serializers.CharField(help_text="The map that holds, by name; empty: none.")
    allowed = serializers.BooleanField()
    checks = CheckSerializer(many=True)
    lines = serializers.ListField(
        child=serializers.CharField(), help_text="A unified diff without file names; empty: nothing changes."
    )


class Difference(Endpoint):
    """What would change in a guest's definition."""

    serializer_class = DifferenceSerializer
    parameters = {"read": frozenset({"destination", *_WORDS, *_OPTIONS})}

    @extend_schema(
        operation_id="guests_xml_difference",
        parameters=[
            OpenApiParameter("destination", str, required=True, description="A host's id or name."),
            *(OpenApiParameter(name, str, enum=known) for name, known in _WORDS.items()),
            *(OpenApiParameter(name, str, description="As in the options of a migration.") for name in _OPTIONS),
        ],
        responses={200: DifferenceSerializer, **problems(404, 422)},
    )
    def read(self, request: Request, pk: Any = None) -> Response:
        """From what is stored: no host is asked. Copies that find their file's name taken get another one."""
        guest = self.principal.restrict(Guest.objects.select_related("host__site"), "host__site").filter(pk=pk).first()
        if guest is None:
            raise NotFound
        words = request.query_params
        mode, storage = (parameters.word(request, name, known) for name, known in _WORDS.items())
        if not words.get("destination"):
            raise parameters.bad_parameter("destination", "Name the destination: a host's id or name.")
        host = lookups.host(self.principal, words["destination"], field="destination")
        wish = options.parse({name: words[name] for name in _OPTIONS if name in words})
        found = destinations(guest=guest, mode=mode, storage=storage, options=wish, only=host)
        if not found:
            raise parameters.bad_parameter("destination", f"{guest.name} is on {host.name} already.")
        [one] = found
        return Response(
            {
                "destination": {"id": str(host.pk), "name": host.name},
                "map": one.rules.name,
                "allowed": one.allowed,
                "checks": one.checks,
                "lines": xml_difference.planned(guest.guest_facts().xml, one.findings),
            }
        )
