"""Pure: can the destination run the guest's CPU?"""

from __future__ import annotations

from collections.abc import Iterator

from migrations_app.preflight.situation import Check, Situation, block, warn


def check(situation: Situation) -> Iterator[Check]:
    """Findings about CPU model and features; the destination's own answer outranks what the rows suggest."""
    guest, destination = situation.guest, situation.destination
    verdict = situation.cpu_verdict
    if verdict is not None and verdict.compared:
        if not verdict.compatible:
            missing = ", ".join(verdict.missing)
            because = f"it lacks {missing}" if missing else verdict.detail or "libvirt finds it incompatible"
            yield block(
                "cpu_incompatible",
                destination.name,
                f"{destination.name} cannot run the CPU of {guest.name}: {because}.",
                "Choose a host with a newer CPU, or give the guest a model that both hosts have and restart it.",
            )
        return
    yield from _from_rows(situation)


def _from_rows(situation: Situation) -> Iterator[Check]:
    guest, source, destination = situation.guest, situation.source, situation.destination
    if guest.cpu_mode in {"host-passthrough", "maximum"} and guest.domain_type == "kvm":
        if (source.facts.cpu_vendor, source.facts.cpu_model) != (
            destination.facts.cpu_vendor,
            destination.facts.cpu_model,
        ):
            yield block(
                "cpu_passthrough",
                destination.name,
                f"{guest.name} uses its host's CPU as it is ({source.facts.cpu_model}); "
                f"{destination.name} has {destination.facts.cpu_model}.",
                "Give the guest a CPU model that both hosts have and restart it, or choose a host of the same kind.",
            )
        else:
            yield warn(
                "cpu_passthrough",
                destination.name,
                f"{guest.name} uses its host's CPU as it is; small differences show only when it runs there.",
            )
        return
    models = destination.facts.cpu_models.get(guest.domain_type, ())
    if guest.cpu_model and models and guest.cpu_model not in models:
        yield block(
            "cpu_model",
            destination.name,
            f"{destination.name} cannot run the CPU model {guest.cpu_model}.",
            "Choose a host that can, or give the guest an older model and restart it.",
        )
