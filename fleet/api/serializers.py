"""What the documents look like, for the OpenAPI file; the documents themselves come from `fleet.documents`."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import StrEnum
from typing import Any

from rest_framework import serializers

from fleet.hypervisor import facts
from fleet.models import Host, Job, JobEvent
from fleet.states import GuestState, HostState, JobState, Role, StepState

_PLAIN: dict[type, type[serializers.Field[Any, Any, Any, Any]]] = {
    # bool before int, which it is a kind of.
    bool: serializers.BooleanField,
    str: serializers.CharField,
    int: serializers.IntegerField,
    float: serializers.FloatField,
}


def words(states: type[StrEnum]) -> list[str]:
    """The values of an enum, as choices."""
    return [state.value for state in states]


def shape_of(value_type: type) -> type[serializers.Serializer[Any]]:
    """The shape of a frozen dataclass as `facts.dump` writes it: a field more there is a field more here."""
    hints = typing.get_type_hints(value_type)
    fields = {field.name: _field(hints[field.name]) for field in dataclasses.fields(value_type)}
    return type(value_type.__name__, (serializers.Serializer,), {**fields, "__doc__": value_type.__doc__})


def _field(hint: Any, *, null: bool = False) -> serializers.Field[Any, Any, Any, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return _field(next(one for one in arguments if one is not type(None)), null=True)
    if origin in {tuple, list}:
        return serializers.ListField(child=_field(arguments[0]), allow_null=null)
    if origin is dict:
        return serializers.DictField(child=_field(arguments[1]), allow_null=null)
    if dataclasses.is_dataclass(hint):
        return shape_of(typing.cast(type, hint))(allow_null=null)
    return next(made for kind, made in _PLAIN.items() if issubclass(hint, kind))(allow_null=null)


class Reference(serializers.Serializer[Any]):
    """Another thing, by id and name."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class FormerReference(Reference):
    """Another thing that may be gone by now: then its name is left."""

    id = serializers.UUIDField(allow_null=True)


class SiteSerializer(serializers.Serializer[Any]):
    """A place where hosts stand."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    slug = serializers.CharField()
    name = serializers.CharField()
    latitude = serializers.FloatField(allow_null=True)
    longitude = serializers.FloatField(allow_null=True)
    time_zone = serializers.CharField()
    max_moves = serializers.IntegerField(allow_null=True, help_text="Moves at once from and to here; null: no limit.")


class SiteLinkSerializer(serializers.Serializer[Any]):
    """What the network between two sites carries, in one direction."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    source = serializers.CharField(help_text="The slug of a site.")  # type: ignore[assignment]
    target = serializers.CharField(help_text="The slug of a site.")
    bandwidth_mbps = serializers.IntegerField()
    round_trip_ms = serializers.FloatField(allow_null=True)
    max_moves = serializers.IntegerField(allow_null=True, help_text="Moves at once; null: as it carries well.")


class VersionsSerializer(serializers.Serializer[Any]):
    """What runs on a host."""

    libvirt = serializers.CharField()
    hypervisor = serializers.CharField()


class HostSerializer(serializers.Serializer[Any]):
    """A machine with libvirt."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    name = serializers.CharField()
    address = serializers.CharField()
    transport = serializers.ChoiceField(Host.Transport.choices)
    port = serializers.IntegerField(allow_null=True)
    username = serializers.CharField()
    site = serializers.CharField(allow_null=True, help_text="The slug of a site.")
    migration_address = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    max_moves_out = serializers.IntegerField(allow_null=True, help_text="Moves at once from here; null: the default.")
    max_moves_in = serializers.IntegerField(allow_null=True, help_text="Moves at once to here; null: the default.")
    migration_bandwidth_mbps = serializers.IntegerField(allow_null=True, help_text="Null: not known.")
    uuid = serializers.UUIDField(help_text="The machine's own UUID.")
    state = serializers.ChoiceField(words(HostState))
    state_text = serializers.CharField(help_text="Why it is unreachable; empty while it is up.")
    maintenance = serializers.BooleanField()
    cpus = serializers.IntegerField()
    memory_mib = serializers.IntegerField()
    memory_used_mib = serializers.IntegerField()
    cpu_percent = serializers.FloatField(allow_null=True)
    versions = VersionsSerializer()
    cpu_model = serializers.CharField()
    arch = serializers.CharField()
    pools = serializers.ListField(child=shape_of(facts.PoolFacts)())
    networks = serializers.ListField(child=shape_of(facts.NetworkFacts)())
    guests_count = serializers.IntegerField()
    last_seen_at = serializers.DateTimeField(allow_null=True)
    version = serializers.IntegerField(help_text="Counts changes; numbers the live messages.")


class GuestSerializer(serializers.Serializer[Any]):
    """A virtual machine."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    uuid = serializers.UUIDField(help_text="libvirt's UUID, the same wherever it runs.")
    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    host = Reference(allow_null=True)
    site = serializers.CharField(allow_null=True, help_text="The slug of a site.")
    state = serializers.ChoiceField(words(GuestState))
    memory_mib = serializers.IntegerField()
    vcpus = serializers.IntegerField()
    cpu_percent = serializers.FloatField(allow_null=True)
    memory_used_mib = serializers.IntegerField(allow_null=True, help_text="Of its memory; null while not known.")
    dirty_mib_s = serializers.FloatField(allow_null=True, help_text="Memory it writes anew, as it was measured.")
    dirty_set_mib = serializers.FloatField(
        allow_null=True, help_text="The same within eight seconds: a guest that writes one set again has little more."
    )
    dirty_measured_at = serializers.DateTimeField(allow_null=True)
    machine = serializers.CharField()
    disks = serializers.ListField(child=shape_of(facts.DiskFacts)())
    interfaces = serializers.ListField(child=shape_of(facts.InterfaceFacts)())
    tags = serializers.ListField(child=serializers.CharField())
    pinned = serializers.BooleanField()
    watch_address = serializers.CharField(
        allow_null=True, help_text="Where it answers; its silence during a move is measured there."
    )
    runs_twice_on = serializers.ListField(
        child=serializers.CharField(),
        help_text="Hosts that run it at once: the alarm of alarms. Else empty.",
    )
    runs_twice_since = serializers.DateTimeField(allow_null=True)
    policy = serializers.CharField(help_text="The migration policy it names; empty: by tag, site or default.")
    current_job = serializers.CharField(allow_null=True, help_text="The address of its unfinished job.")
    version = serializers.IntegerField(help_text="Counts changes; numbers the live messages.")


class SubjectSerializer(serializers.Serializer[Any]):
    """What a job is about."""

    kind = serializers.CharField()
    id = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()
    url = serializers.CharField(allow_null=True)


class StepSerializer(serializers.Serializer[Any]):
    """A stage of a job."""

    name = serializers.CharField()
    title = serializers.CharField()
    state = serializers.ChoiceField(words(StepState))
    detail = serializers.CharField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class AmountSerializer(serializers.Serializer[Any]):
    """Bytes of one kind."""

    total = serializers.IntegerField()
    done = serializers.IntegerField()
    remaining = serializers.IntegerField()


class SteeringSerializer(serializers.Serializer[Any]):
    """What is in force in a running migration, and what may be asked of it."""

    limit_ms = serializers.IntegerField(help_text="QEMU's downtime limit now.")
    promised_ms = serializers.IntegerField(help_text="The longest pause that was promised.")
    bandwidth_mib_s = serializers.IntegerField(help_text="0: without limit.")
    reason = serializers.CharField(help_text="How it stands, in a sentence.")
    settled = serializers.CharField(help_text="Why nothing is left to decide; empty while something is.")
    can = serializers.ListField(child=serializers.CharField())
    why_not = serializers.DictField(child=serializers.CharField())


class OutlookSerializer(serializers.Serializer[Any]):
    """Where a running move is heading."""

    text_code = serializers.ChoiceField(
        ["starting", "done_about", "throttled", "not_converging", "too_late", "post_copy", "ending"]
    )
    text = serializers.CharField(help_text="The same as a sentence.")
    converges = serializers.BooleanField(allow_null=True)
    eta_s = serializers.FloatField(allow_null=True)
    done_at = serializers.DateTimeField(allow_null=True)
    total_s = serializers.FloatField(allow_null=True, help_text="From the job's start to its end.")
    pause_ms = serializers.IntegerField(allow_null=True)
    writes_bytes_s = serializers.IntegerField(allow_null=True, help_text="How fast the guest writes memory anew.")
    carries_bytes_s = serializers.IntegerField(allow_null=True, help_text="How fast it is carried.")
    needs_pause_ms = serializers.IntegerField(allow_null=True, help_text="The pause that would end it.")
    remedies = serializers.ListField(
        child=serializers.ChoiceField(["downtime", "bandwidth", "post-copy", "pause", "cancel"])
    )
    writes = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="[seconds, bytes] written anew within passes that are over.",
    )


class OutlookAt30Serializer(serializers.Serializer[Any]):
    """What was foreseen when 30 % were done."""

    converges = serializers.BooleanField(allow_null=True)
    total_s = serializers.FloatField(allow_null=True)
    pause_ms = serializers.IntegerField(allow_null=True)
    percent = serializers.FloatField()
    hand_over_ms = serializers.FloatField(required=False)


class ProgressSerializer(serializers.Serializer[Any]):
    """How far a job is; every field may be missing."""

    percent = serializers.FloatField(required=False, allow_null=True)
    bytes_done = serializers.IntegerField(required=False)
    bytes_total = serializers.IntegerField(required=False)
    rate_bytes_s = serializers.IntegerField(required=False)
    dirty_rate_bytes_s = serializers.IntegerField(required=False)
    iteration = serializers.IntegerField(required=False)
    eta_s_low = serializers.IntegerField(required=False, allow_null=True)
    eta_s_high = serializers.IntegerField(required=False, allow_null=True)
    forecast = serializers.JSONField(required=False)
    outlook = OutlookSerializer(required=False)
    outlook_at_30 = OutlookAt30Serializer(required=False)
    memory = AmountSerializer(required=False)
    disks = AmountSerializer(required=False)
    downtime_ms = serializers.IntegerField(required=False, allow_null=True)
    throttle_percent = serializers.IntegerField(required=False)
    elapsed_ms = serializers.IntegerField(required=False)
    heard_at = serializers.CharField(required=False, allow_null=True)
    moved = serializers.IntegerField(required=False, help_text="Of several guests: those that have moved, ...")
    of = serializers.IntegerField(required=False, help_text="... of so many, ...")
    failed = serializers.IntegerField(required=False, help_text="... and those that did not get across.")
    steering = SteeringSerializer(required=False)


class JobErrorSerializer(serializers.Serializer[Any]):
    """Why a job failed, and where the guest is."""

    code = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField(required=False, allow_null=True, allow_blank=True)
    guest_is_on = serializers.CharField(required=False, allow_null=True, allow_blank=True)


class WaitingSerializer(serializers.Serializer[Any]):
    """Why a queued job does not begin yet."""

    detail = serializers.CharField(help_text="Who is before it.")
    place = serializers.IntegerField(help_text="Its place among those that wait for the same; 0: there is no line.")

    def get_fields(self) -> dict[str, Any]:
        """`for` is a word of Python's own."""
        return {"for": serializers.CharField(help_text="What it waits for."), **super().get_fields()}


class JobSerializer(serializers.Serializer[Any]):
    """A piece of long work."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    kind = serializers.ChoiceField(Job.Kind.choices)
    state = serializers.ChoiceField(words(JobState))
    stage = serializers.CharField()
    title = serializers.CharField()
    subject = SubjectSerializer()
    waiting = WaitingSerializer(allow_null=True)
    progress = ProgressSerializer()
    steps = StepSerializer(many=True)
    error = JobErrorSerializer(allow_null=True)
    result = serializers.DictField(help_text="A migration's receipt.")
    requested_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    parent = serializers.UUIDField(allow_null=True)  # type: ignore[assignment]
    retry_of = serializers.UUIDField(allow_null=True, help_text="The job that this one does once more.")
    children = serializers.ListField(child=serializers.UUIDField())
    seq = serializers.IntegerField(help_text="Counts changes; numbers the live messages.")
    permitted_actions = serializers.ListField(child=serializers.CharField())


class EventSerializer(serializers.Serializer[Any]):
    """A line of a job's log."""

    job = serializers.UUIDField()
    seq = serializers.IntegerField()
    at = serializers.DateTimeField()
    level = serializers.ChoiceField(JobEvent.Level.choices)
    code = serializers.CharField()
    message = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]


class NumberedEventSerializer(EventSerializer):
    """A line of any job's log, with its number among all."""

    number = serializers.IntegerField(help_text="Its place among the events of all jobs; for `after`.")


class AuditSubjectSerializer(serializers.Serializer[Any]):
    """What was changed."""

    kind = serializers.CharField()
    id = serializers.CharField()
    name = serializers.CharField()


class AuditSerializer(serializers.Serializer[Any]):
    """One change: who, what, and how it ended."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    user = serializers.CharField(help_text="Empty for Drover itself.")
    door = serializers.CharField()
    address = serializers.CharField(allow_null=True)
    request_id = serializers.CharField()
    verb = serializers.CharField()
    subject = AuditSubjectSerializer()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)
    outcome = serializers.CharField()
    detail = serializers.CharField()
    job = serializers.CharField(allow_null=True)
    chain = serializers.CharField()


class TokenSerializer(serializers.Serializer[Any]):
    """An API token, without its secret."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    name = serializers.CharField()
    key = serializers.CharField(help_text="Its public half.")
    user = serializers.CharField()
    role = serializers.ChoiceField(words(Role))
    site = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewTokenSerializer(TokenSerializer):
    """A token just made."""

    token = serializers.CharField(help_text="The token itself. It is shown only now.")


class CheckSerializer(serializers.Serializer[Any]):
    """What was found about a move, and what would help."""

    code = serializers.CharField()
    severity = serializers.ChoiceField(["block", "warn", "info"])
    subject = serializers.CharField()
    message = serializers.CharField()
    remedy = serializers.CharField()


class FieldErrorSerializer(serializers.Serializer[Any]):
    """What is wrong with one field (`/name`) or parameter (`?name`)."""

    pointer = serializers.CharField()
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """An error (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable, for programs.")
    detail = serializers.CharField(help_text="For people.")
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]
    remedy = serializers.CharField(required=False)
    checks = CheckSerializer(many=True, required=False)
    job = serializers.CharField(required=False, help_text="The address of the job that is in the way.")
    data = serializers.DictField(required=False)  # type: ignore[assignment]
    request_id = serializers.CharField()
