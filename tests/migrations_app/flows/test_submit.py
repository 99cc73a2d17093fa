"""Asking for a migration: refused in words with nothing stored, or one job, whatever happens at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fleet.models import AuditEvent, Guest, Host, Job, JobEvent, JobStep
from fleet.refusals import Busy, Forbidden, Refused
from fleet.states import JobState, Role
from migrations_app.flows.submit import Submission, submit
from migrations_app.models import Migration
from migrations_app.options import Options
from tests.cast import Cast, principal
from tests.conftest import race

pytestmark = pytest.mark.usefixtures("messages", "rung")


def ask(guest: Guest, destination: Host | None = None, **wish: Any) -> Submission:
    wish.setdefault("principal", principal(Role.OPERATOR))
    return submit(guest=guest, destination=destination, **wish)


def refused(guest: Guest, destination: Host | None = None, **wish: Any) -> Refused:
    """The refusal of a wish, after a look that nothing was stored."""
    before = stored()
    with pytest.raises(Refused) as caught:
        ask(guest, destination, **wish)
    assert stored() == before
    return caught.value


def stored() -> dict[str, int]:
    rows = (Job, JobStep, JobEvent, Migration, AuditEvent)
    return {row.__name__: row._default_manager.count() for row in rows}


# -- what is stored ---------------------------------------------------------------------------------------------------


def test_a_wish_becomes_job_migration_steps_a_line_and_an_audit_row(
    committed_cast: Cast, messages: list[Any], rung: list[Any]
) -> None:
    cast = committed_cast
    submission = ask(cast.web, cast.beta, options=Options(bandwidth_mib_s=50))
    job = submission.job
    assert job is not None
    assert (job.state, job.title) == (JobState.QUEUED, "Move web from alpha to beta")
    assert [step.name for step in job.steps.all()] == [
        *("check", "prepare", "disks", "memory", "switch-over", "verify", "clean-up")
    ]
    migration = Migration.objects.get(job=job)
    assert (migration.source, migration.destination, migration.storage) == (cast.alpha, cast.beta, "none")
    assert (migration.memory_mib, migration.options["bandwidth_mib_s"]) == (256, 50)
    assert job.events.get().message == "operator asked to move web to beta"
    audit = AuditEvent.objects.get()
    assert (audit.verb, audit.outcome, audit.before, audit.after["host"]) == (
        *("migration.submit", "accepted"),
        {"host": "alpha"},
        "beta",
    )
    assert rung == [str(job.pk)], "one message for one worker"
    assert {topic for topic, _ in messages} >= {"jobs", f"job:{job.pk}", "guests", f"guest:{cast.web.pk}"}


def test_a_dry_run_runs_the_same_checks_and_stores_nothing(cast: Cast, rung: list[Any], messages: list[Any]) -> None:
    before = stored()
    submission = ask(cast.db, cast.beta, dry_run=True)
    assert (submission.job, submission.destination, submission.storage) == (None, cast.beta, "copy")
    assert submission.forecast is not None
    assert (stored(), rung, messages) == (before, [], [])
    cast.beta.maintenance = True
    cast.beta.save(update_fields=["maintenance"])
    assert refused(cast.db, cast.beta, dry_run=True).code == "checks_failed"


def test_without_a_destination_the_best_one_is_chosen(cast: Cast) -> None:
    assert ask(cast.web).destination == cast.beta


def test_the_guest_knows_its_job_at_once(cast: Cast) -> None:
    before = cast.web.version
    ask(cast.web, cast.beta)
    cast.web.refresh_from_db()
    assert cast.web.version > before, "or open pages drop the news"


# -- what is refused --------------------------------------------------------------------------------------------------


def maintenance(cast: Cast) -> None:
    Host.objects.filter(pk=cast.beta.pk).update(maintenance=True)


def full(cast: Cast) -> None:
    Host.objects.exclude(pk=cast.alpha.pk).update(memory_used_mib=16_384)


def pinned(cast: Cast) -> None:
    Guest.objects.filter(pk=cast.web.pk).update(pinned=True)


def homeless(cast: Cast) -> None:
    Guest.objects.filter(pk=cast.web.pk).update(host=None)


def alone(cast: Cast) -> None:
    Host.objects.exclude(pk=cast.alpha.pk).delete()


def nothing(cast: Cast) -> None:
    pass


#: what is arranged, destination, wish -> code, words
REFUSALS: list[tuple[Callable[[Cast], None], str, dict[str, Any], str, str]] = [
    (maintenance, "beta", {}, "checks_failed", "web cannot move to beta: beta is in maintenance."),
    (full, "beta", {}, "checks_failed", "web cannot move to beta: beta has 0 MiB free, web needs 320 MiB."),
    (full, "", {}, "no_destination", "No host can take web now."),
    (alone, "", {}, "no_destination", "There is no other host to move to."),
    (nothing, "alpha", {}, "same_host", "web is on alpha already."),
    (pinned, "", {}, "guest_pinned", "web is pinned to its host."),
    (homeless, "beta", {}, "guest_gone", "No host knows web any more."),
    (nothing, "beta", {"mode": "warm"}, "mode_not_offered", "The mode 'warm' is not offered."),
    (nothing, "beta", {"storage": "nfs"}, "storage_not_offered", "The storage strategy 'nfs' is not offered."),
    (nothing, "gamma", {"storage": "none"}, "checks_failed", "is not proven to be the same file on gamma."),
    (nothing, "beta", {"options": Options(target_network="lan")}, "checks_failed", "beta has no network 'lan'."),
]


@pytest.mark.parametrize(("arrange", "destination", "wish", "code", "words"), REFUSALS)
def test_a_refusal_says_why_and_stores_nothing(
    cast: Cast, arrange: Callable[[Cast], None], destination: str, wish: dict[str, Any], code: str, words: str
) -> None:
    place = Host.objects.filter(name=destination).first()
    arrange(cast)
    web = Guest.objects.get(pk=cast.web.pk)
    refusal = refused(web, Host.objects.filter(pk=place.pk).first() if place else None, **wish)
    assert refusal.code == code
    assert words in refusal.text
    assert refusal.remedy


def test_a_pinned_guest_goes_where_a_person_names_it(cast: Cast) -> None:
    pinned(cast)
    assert ask(Guest.objects.get(pk=cast.web.pk), cast.beta).job is not None


def test_a_form_that_shows_an_older_place_is_refused(cast: Cast) -> None:
    refusal = refused(cast.web, cast.beta, expected_host=cast.gamma)
    assert (refusal.code, refusal.text) == ("guest_moved", "web is on alpha now, not on gamma any more.")
    assert ask(cast.web, cast.beta, expected_host=cast.alpha).job is not None


def test_a_guest_that_moved_since_it_was_looked_at_is_refused(cast: Cast) -> None:
    Guest.objects.filter(pk=cast.web.pk).update(host=cast.gamma)
    assert refused(cast.web, cast.beta).code == "guest_moved"


def test_a_busy_guest_names_the_job_that_holds_it(cast: Cast) -> None:
    job = ask(cast.web, cast.beta).job
    assert job is not None
    refusal = refused(cast.web, cast.gamma)
    assert isinstance(refusal, Busy)
    assert refusal.job_id == str(job.pk)
    assert refusal.text == "web is busy: Move web from alpha to beta (queued)."


# -- who may ----------------------------------------------------------------------------------------------------------


def test_a_viewer_moves_nothing(cast: Cast) -> None:
    assert isinstance(refused(cast.web, cast.beta, principal=principal(Role.VIEWER)), Forbidden)


def test_moving_between_sites_needs_the_role_at_both(cast: Cast) -> None:
    north = principal(Role.OPERATOR, name="north", site=cast.north)
    south = principal(Role.OPERATOR, name="south", site=cast.south)
    assert isinstance(refused(cast.web, cast.gamma, principal=north), Forbidden)
    assert isinstance(refused(cast.web, cast.gamma, principal=south), Forbidden)
    both = principal(Role.OPERATOR, name="north", site=cast.south)
    assert ask(cast.web, cast.gamma, principal=both).job is not None


def test_the_best_host_is_chosen_among_those_at_ones_own_sites(cast: Cast) -> None:
    north = principal(Role.OPERATOR, name="north", site=cast.north)
    maintenance(cast)
    refusal = refused(cast.web, principal=north)
    assert refusal.code == "no_destination"
    assert "gamma" not in str(refusal.checks), "hosts of other sites are not even named"


# -- sent twice -------------------------------------------------------------------------------------------------------


def test_the_same_key_and_wish_is_the_same_job(cast: Cast) -> None:
    first = ask(cast.web, cast.beta, idempotency_key="k")
    second = ask(cast.web, cast.beta, idempotency_key="k")
    assert second.job == first.job
    assert (first.replayed, second.replayed, Job.objects.count()) == (False, True, 1)
    assert (second.destination, second.storage) == (cast.beta, "none")


def test_the_same_key_answers_after_the_end_too(cast: Cast) -> None:
    from django.utils import timezone

    first = ask(cast.web, cast.beta, idempotency_key="k").job
    Job.objects.update(state=JobState.SUCCEEDED, finished_at=timezone.now())
    Guest.objects.filter(pk=cast.web.pk).update(host=cast.beta)
    assert ask(Guest.objects.get(pk=cast.web.pk), cast.beta, idempotency_key="k").job == first


@pytest.mark.parametrize(
    "other",
    [{"destination": "gamma"}, {"destination": None}, {"storage": "copy"}, {"options": Options(tls=True)}],
)
def test_the_same_key_for_another_wish_is_refused(cast: Cast, other: dict[str, Any]) -> None:
    ask(cast.web, cast.beta, idempotency_key="k")
    name = other.pop("destination", "beta")
    refusal = refused(cast.web, Host.objects.filter(name=name).first(), idempotency_key="k", **other)
    assert refusal.code == "idempotency_key_reused"


def test_two_people_may_use_the_same_key(cast: Cast) -> None:
    ask(cast.web, cast.beta, idempotency_key="k")
    other = principal(Role.OPERATOR, name="other")
    assert ask(cast.db, cast.beta, idempotency_key="k", principal=other).replayed is False


def test_a_key_says_nothing_to_a_dry_run(cast: Cast) -> None:
    ask(cast.web, cast.beta, idempotency_key="k")
    assert isinstance(refused(cast.web, cast.beta, idempotency_key="k", dry_run=True), Busy)


# -- at the same moment -----------------------------------------------------------------------------------------------


def test_of_racing_wishes_for_one_guest_one_is_stored_and_the_others_are_told_which(committed_cast: Cast) -> None:
    cast, person = committed_cast, principal(Role.OPERATOR)
    # Room for exactly one copy of web at beta, so that a job of web's own must not look like lack of memory.
    Host.objects.filter(pk=cast.beta.pk).update(memory_used_mib=16_384 - 320)
    cast.beta.refresh_from_db()
    wishes = race(*(lambda: submit(principal=person, guest=cast.web, destination=cast.beta) for _ in range(4)))
    job = Job.objects.get()
    assert [wish.job for wish in wishes if isinstance(wish, Submission)] == [job]
    losers = [wish for wish in wishes if not isinstance(wish, Submission)]
    assert [(type(loser), loser.job_id) for loser in losers] == [(Busy, str(job.pk))] * 3


def test_a_request_that_is_sent_twice_at_once_is_one_job(committed_cast: Cast, rung: list[Any]) -> None:
    cast, person = committed_cast, principal(Role.OPERATOR)
    Host.objects.filter(pk=cast.beta.pk).update(memory_used_mib=16_384 - 320)
    cast.beta.refresh_from_db()

    def send() -> Submission:
        return submit(principal=person, guest=cast.web, destination=cast.beta, idempotency_key="k")

    wishes = race(send, send, send)
    job = Job.objects.get()
    assert [getattr(wish, "job", wish) for wish in wishes] == [job] * 3
    assert sorted(wish.replayed for wish in wishes) == [False, True, True]
    assert rung == [str(job.pk)]


def test_the_last_memory_of_a_host_is_given_once(committed_cast: Cast) -> None:
    cast, person = committed_cast, principal(Role.OPERATOR)
    # 500 MiB free: enough for one guest of 256 + 64 MiB, not for two.
    Host.objects.filter(pk=cast.beta.pk).update(memory_used_mib=16_384 - 500)
    cast.beta.refresh_from_db()
    wishes = race(
        lambda: submit(principal=person, guest=cast.web, destination=cast.beta),
        lambda: submit(principal=person, guest=cast.db, destination=cast.beta),
    )
    assert Job.objects.count() == 1
    loser = next(wish for wish in wishes if not isinstance(wish, Submission))
    assert isinstance(loser, Refused), loser
    assert "beta has 244 MiB free (256 MiB are promised to others)" in loser.text


def test_wishes_for_different_guests_do_not_hinder_each_other(committed_cast: Cast) -> None:
    cast, person = committed_cast, principal(Role.OPERATOR)
    wishes = race(
        lambda: submit(principal=person, guest=cast.web, destination=cast.beta),
        lambda: submit(principal=person, guest=cast.db, destination=cast.beta),
    )
    assert all(isinstance(wish, Submission) for wish in wishes), wishes
