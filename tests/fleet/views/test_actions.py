"""What buttons and forms of the fleet's pages do, and what they say when they do not."""

from __future__ import annotations

import pytest

from fleet.access import tokens
from fleet.hypervisor import errors
from fleet.models import ApiToken, AuditEvent, Guest, Host, Job, JobCommand, Site
from fleet.states import Role


def text(answer) -> str:
    return answer.content.decode()


@pytest.fixture
def delta(cast):
    cast.fleet.add_host("delta")
    return {"name": "delta", "address": "delta", "transport": "fake", "tags": "gold, rack 4"}


def test_an_added_host_is_shown_at_once(cast, as_, delta):
    answer = as_(Role.ADMIN).post("/hosts/add/", delta | {"site": cast.south.pk}, follow=True)
    host = Host.objects.get(name="delta")
    assert answer.redirect_chain[-1][0] == f"/hosts/{host.pk}/"
    assert "delta answered and is part of the fleet" in text(answer)
    assert (host.site, host.tags) == (cast.south, ["gold", "rack 4"])


def test_a_refused_host_says_why_at_the_field_and_keeps_what_was_typed(cast, as_, delta):
    answer = as_(Role.ADMIN).post("/hosts/add/", delta | {"name": "alpha"})
    assert answer.status_code == 422
    assert "There is a host named" in str(answer.context["form"].errors["name"])
    assert 'value="gold, rack 4"' in text(answer)


def test_a_host_that_does_not_answer_is_refused_in_words_not_with_a_trace(cast, as_, delta):
    cast.fleet.hosts["delta"].faults.fail_at("facts", errors.HostUnreachable("No route to host"))
    answer = as_(Role.ADMIN).post("/hosts/add/", delta)
    assert answer.status_code == 422
    assert "could not be reached" in text(answer)
    assert not Host.objects.filter(name="delta").exists()


def test_an_unknown_ssh_key_is_shown_and_approved_with_one_press(cast, as_, delta):
    client, faults = as_(Role.ADMIN), cast.fleet.hosts["delta"].faults
    faults.fail_at("facts", errors.HostKeyUnknown("unknown", fingerprint="SHA256:abc", key="ssh-ed25519 AAAA"))
    asked = client.post("/hosts/add/", delta)
    assert asked.status_code == 422
    assert "Approve SHA256:abc" in text(asked)
    assert 'name="ssh_host_key" value="ssh-ed25519 AAAA"' in text(asked)
    assert not Host.objects.filter(name="delta").exists()


def test_a_changed_host_says_so(cast, as_):
    path = f"/hosts/{cast.alpha.pk}/edit/"
    wish = {"name": "alpha-1", "address": "alpha", "transport": "fake", "site": cast.north.pk, "tags": ""}
    answer = as_(Role.ADMIN).post(path, wish, follow=True)
    assert "alpha-1 answered and is changed" in text(answer)
    assert Host.objects.filter(pk=cast.alpha.pk, name="alpha-1").exists()


def test_a_host_is_removed_only_by_typing_its_name(cast, as_):
    client, path = as_(Role.ADMIN), f"/hosts/{cast.gamma.pk}/remove/"
    assert "nothing was removed" in text(client.post(path, {"name": "beta"}, follow=True))
    assert "has forgotten gamma" in text(client.post(path, {"name": "gamma"}, follow=True))
    assert not Host.objects.filter(name="gamma").exists()


def test_maintenance_goes_on_and_off_from_the_page(cast, as_):
    client, path = as_(Role.OPERATOR), f"/hosts/{cast.alpha.pk}/maintenance/"
    assert "gets no new guests" in text(client.post(path, {"action": "enter"}, follow=True))
    assert "End maintenance" in text(client.get(f"/hosts/{cast.alpha.pk}/"))
    client.post(path, {"action": "leave"})
    assert not Host.objects.get(pk=cast.alpha.pk).maintenance


def test_a_refresh_that_fails_says_why_on_the_hosts_page(cast, as_):
    cast.fleet.hosts["alpha"].faults.fail_at("facts", errors.HostUnreachable("No route to host"))
    answer = as_(Role.OPERATOR).post(f"/hosts/{cast.alpha.pk}/refresh/", follow=True)
    assert "could not be reached" in text(answer)


@pytest.mark.parametrize("what", ["refresh", "maintenance", "remove", "edit"])
def test_a_viewer_can_press_nothing_on_a_host(cast, as_, what):
    before = Host.objects.values().get(pk=cast.alpha.pk)
    answer = as_(Role.VIEWER).post(f"/hosts/{cast.alpha.pk}/{what}/", {"name": "alpha"}, follow=True)
    assert "needs the role" in text(answer)
    assert Host.objects.values().get(pk=cast.alpha.pk) == before


def test_no_button_works_by_a_link(cast, as_):
    client = as_(Role.ADMIN)
    for path in (f"/hosts/{cast.alpha.pk}/maintenance/", f"/guests/{cast.web.pk}/change/", "/sign-out/"):
        assert client.get(path).status_code == 405, path


def test_no_form_works_from_a_foreign_page(cast, as_):
    client = as_(Role.ADMIN)
    client.handler.enforce_csrf_checks = True
    answer = client.post(f"/hosts/{cast.alpha.pk}/maintenance/", {"action": "enter"})
    assert answer.status_code == 403
    assert "load the page again" in text(answer)


def test_a_guests_tags_and_pin_are_kept(cast, as_):
    client, path = as_(Role.OPERATOR), f"/guests/{cast.web.pk}/change/"
    client.post(path, {"tags": "prod, team a,,prod", "pinned": "on"})
    guest = Guest.objects.get(pk=cast.web.pk)
    assert (guest.tags, guest.pinned, guest.version > cast.web.version) == (["prod", "team a"], True, True)
    client.post(path, {"tags": ""})
    guest.refresh_from_db()
    assert (guest.tags, guest.pinned) == ([], False)


def test_cancelling_asks_the_worker_and_twice_is_once(cast, as_):
    job = Job.objects.create(kind="migration", guest=cast.web, host=cast.beta, title="Move web", state="running")
    client = as_(Role.OPERATOR)
    for _ in range(2):
        assert "asked to stop" in text(client.post(f"/jobs/{job.pk}/cancel/", follow=True))
    assert JobCommand.objects.filter(job=job, kind="cancel").count() == 1


def test_cancelling_a_finished_job_says_that_it_is_finished(cast, as_):
    job = Job.objects.create(
        kind="migration", guest=cast.web, title="Move web", state="succeeded", finished_at="2026-01-01T00:00:00Z"
    )
    assert "already succeeded" in text(as_(Role.OPERATOR).post(f"/jobs/{job.pk}/cancel/", follow=True))


def test_a_site_is_added_changed_and_removed(db, as_):
    client = as_(Role.ADMIN)
    wish = {"name": "East", "slug": "east", "time_zone": "Asia/Tokyo", "latitude": "35.7", "longitude": "139.7"}
    client.post("/sites/add/", wish)
    site = Site.objects.get(slug="east")
    assert (site.latitude, site.time_zone) == (35.7, "Asia/Tokyo")
    client.post(f"/sites/{site.pk}/", wish | {"name": "Far East"})
    assert Site.objects.get().name == "Far East"
    client.post(f"/sites/{site.pk}/remove/")
    assert not Site.objects.exists()
    assert list(AuditEvent.objects.values_list("verb", flat=True)) == ["site.add", "site.change", "site.remove"]


def test_a_site_with_hosts_stays(cast, as_):
    assert "has 2 hosts" in text(as_(Role.ADMIN).post(f"/sites/{cast.north.pk}/remove/", follow=True))
    assert Site.objects.filter(pk=cast.north.pk).exists()


def test_a_short_name_taken_is_said_at_its_field(cast, as_):
    answer = as_(Role.ADMIN).post("/sites/add/", {"name": "N", "slug": "north", "time_zone": "UTC"})
    assert answer.status_code == 422
    assert "slug" in answer.context["form"].errors


def test_a_new_token_is_shown_once_and_works_until_it_is_ended(db, as_):
    client = as_(Role.OPERATOR)
    shown = client.post("/tokens/", {"name": "backup", "role": "viewer"}).context["text"]
    assert tokens.principal_of(shown) is not None
    assert shown not in text(client.get("/tokens/"))
    client.post(f"/tokens/{ApiToken.objects.get().pk}/revoke/")
    assert tokens.principal_of(shown) is None


def test_nobody_makes_a_token_that_may_more_than_its_maker(db, as_):
    answer = as_(Role.VIEWER).post("/tokens/", {"name": "x", "role": "admin"})
    assert answer.status_code == 422
    assert "would allow more" in text(answer)
    assert not ApiToken.objects.exists()


def test_other_peoples_tokens_are_not_there(db, as_):
    as_(Role.ADMIN).post("/tokens/", {"name": "mine", "role": "admin"})
    token = ApiToken.objects.get()
    stranger = as_(Role.VIEWER)
    assert token.key not in text(stranger.get("/tokens/"))
    assert stranger.post(f"/tokens/{token.pk}/revoke/").status_code == 404


def test_a_running_move_is_steered_from_its_page(cast, as_, messages, rung):
    from fleet.jobs import lifecycle
    from fleet.models import Job
    from fleet.states import JobState

    job = Job.objects.create(kind="migration", guest=cast.web, host=cast.beta, subject_name="web", title="Move web")
    lifecycle.advance(job.pk, JobState.RUNNING, code="started", message="started")
    steering = {
        "can": ["bandwidth", "cancel"],
        "why_not": {"pause": "the first pass is not done"},
        "reason": "It runs.",
    }
    Job.objects.filter(pk=job.pk).update(progress={"steering": steering})
    client = as_(Role.OPERATOR)
    page = text(client.get(f"/jobs/{job.pk}/"))
    assert "It runs." in page
    assert 'data-action="pause" data-once hidden' in page
    client.post(f"/jobs/{job.pk}/steer/bandwidth/", {"mib_s": "12"})
    assert JobCommand.objects.get().arguments == {"mib_s": 12}
    refused = client.post(f"/jobs/{job.pk}/steer/pause/", follow=True)
    assert "the first pass is not done" in text(refused)
    assert "mib_s must be a whole number" in text(
        client.post(f"/jobs/{job.pk}/steer/bandwidth/", {"mib_s": "fast"}, follow=True)
    )
    assert client.post(f"/jobs/{job.pk}/steer/dance/").status_code == 404
