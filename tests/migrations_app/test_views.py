"""The migrate page: reasons, forecast, and presses that start exactly one job."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace

import pytest
from django.test import Client

from fleet.hypervisor.facts import DiskFacts
from fleet.models import Guest, Host, Job
from fleet.states import Role
from migrations_app.models import Migration
from tests.cast import Cast, principal


@pytest.fixture
def rung(monkeypatch):
    heard: list[str] = []
    monkeypatch.setattr("fleet.tasks.run_job.delay", heard.append)
    return heard


def browser(role: Role) -> Client:
    client = Client()
    client.force_login(principal(role).user)
    return client


def wish(cast: Cast, **fields: str) -> dict[str, str]:
    given = {"source": str(cast.alpha.pk), "destination": str(cast.beta.pk), "storage": "auto", "key": uuid.uuid4().hex}
    defaults = {
        "bandwidth_mib_s": "0",
        "max_downtime_ms": "0",
        "timeout_s": "0",
        "parallel": "0",
    }
    return given | defaults | fields


@pytest.fixture
def page(cast) -> str:
    return f"/guests/{cast.web.pk}/migrate/"


def text(answer) -> str:
    return answer.content.decode()


def test_every_host_is_a_row_and_the_best_is_chosen(cast, page):
    html = text(browser(Role.OPERATOR).get(page))
    assert re.findall(r'data-destination="(\w+)"', html)[0] == "beta"
    assert re.search(r'value="[0-9a-f-]+" checked', html)
    assert "Move web to beta" in html


def test_a_host_that_cannot_take_it_says_why(cast, page):
    Host.objects.filter(pk=cast.beta.pk).update(contact="unreachable")
    html = text(browser(Role.OPERATOR).get(page))
    beta = html[html.index('data-destination="beta"') :]
    assert "cannot take it" in beta
    assert "beta is unreachable" in beta


def test_choices_change_the_forecast_and_the_api_call_without_a_job(cast, page):
    chosen = {"storage": "copy", "destination": str(cast.gamma.pk), "bandwidth_mib_s": "50"}
    html = text(browser(Role.OPERATOR).get(page, wish(cast, **chosen), headers={"HX-Request": "true"}))
    assert "<html" not in html
    assert "Move web to gamma" in html
    body = re.search(r"-d &#x27;(.*?)&#x27;", html)[1].replace("&quot;", '"')
    assert json.loads(body) == {
        "guest": str(cast.web.pk),
        "destination": str(cast.gamma.pk),
        "storage": "copy",
        "options": {"bandwidth_mib_s": 50},
    }
    assert not Job.objects.exists()


def test_a_press_starts_one_job_and_shows_it(cast, page, rung):
    answer = browser(Role.OPERATOR).post(page, wish(cast, max_downtime_ms="100", remove_source="on"))
    job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.pk}/"
    migration = Migration.objects.get(job=job)
    assert (migration.destination, migration.options["max_downtime_ms"]) == (cast.beta, 100)
    assert (migration.options["keep_source"], migration.terms["max_pause_ms"]) == (False, 100)


def test_a_second_press_of_the_same_form_leads_to_the_same_job(cast, page, rung):
    client, same = browser(Role.OPERATOR), wish(cast)
    first, second = client.post(page, same), client.post(page, same)
    assert first["Location"] == second["Location"]
    assert Job.objects.count() == 1


def test_a_form_from_before_the_guest_moved_changes_nothing_and_says_where_it_is(cast, page, rung):
    Guest.objects.filter(pk=cast.web.pk).update(host=cast.gamma)
    answer = browser(Role.OPERATOR).post(page, wish(cast))
    assert answer.status_code == 422
    assert "web is on gamma now, not on alpha any more" in text(answer)
    assert f'name="source" value="{cast.gamma.pk}"' in text(answer)
    assert not Job.objects.exists()


def test_a_busy_guest_names_the_job_in_the_way(cast, page, rung):
    client = browser(Role.OPERATOR)
    client.post(page, wish(cast))
    answer = client.post(page, wish(cast))
    assert answer.status_code == 409
    assert f'href="/jobs/{Job.objects.get().pk}/"' in text(answer)


def test_a_destination_that_was_removed_meanwhile_is_a_clear_answer(cast, page, rung):
    answer = browser(Role.OPERATOR).post(page, wish(cast, destination=str(uuid.uuid4())))
    assert answer.status_code == 422
    assert "not part of the fleet any more" in text(answer)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"bandwidth_mib_s": "-1"}, "greater than or equal to 0"),
        ({"max_downtime_ms": "99999999"}, "max_downtime_ms must lie between"),
        ({"storage": "nonsense"}, "is not offered"),
    ],
)
def test_a_wrong_option_is_said_and_starts_nothing(cast, page, rung, fields, words):
    answer = browser(Role.OPERATOR).post(page, wish(cast, **fields))
    assert answer.status_code == 422
    assert words in text(answer)
    assert not Job.objects.exists()


def test_a_viewer_sees_the_reasons_but_cannot_start(cast, page, rung):
    client = browser(Role.VIEWER)
    html = text(client.get(page))
    assert "needs the operator role" in html
    assert re.search(r"<button[^>]*disabled[^>]*>.*Move web", html)
    assert client.post(page, wish(cast)).status_code == 403
    assert not Job.objects.exists()


def test_a_guest_nobody_knows_any_more_has_a_page_that_says_so(cast, page):
    Guest.objects.filter(pk=cast.web.pk).update(host=None)
    answer = browser(Role.OPERATOR).get(page)
    assert "No host knows web any more" in text(answer)


def off(cast: Cast, guest: Guest) -> None:
    cast.fleet.hosts["alpha"].set_state(str(guest.uuid), "shutoff")
    cast.sync()


def test_a_guest_that_is_off_is_offered_a_cold_move_and_told_what_it_means(cast, rung):
    off(cast, cast.db)
    page = f"/guests/{cast.db.pk}/migrate/"
    html = text(browser(Role.OPERATOR).get(page))
    assert re.findall(r'name="mode" id="mode-(\w+)"', html) == ["auto", "cold"]
    assert "while it is shut off, and stays off" in html
    assert "started paused on alpha and switched off again on beta; it executes nothing" in html
    browser(Role.OPERATOR).post(page, wish(cast, mode="cold"))
    assert Migration.objects.get().mode == "cold"


def test_an_offline_move_says_before_how_long_the_guest_stands_still(cast, page):
    html = text(browser(Role.OPERATOR).get(page, wish(cast, mode="offline"), headers={"HX-Request": "true"}))
    assert "while it is suspended" in html
    # 256 MiB over an assumed Gbit/s link take 2.1 s, the handshake 1.5 s
    assert "It stands still while its memory is copied: for about 3.6 s" in html
    assert "&quot;mode&quot;: &quot;offline&quot;" in html


def test_a_copied_disk_has_a_place_of_its_own_and_a_shared_one_has_none(cast, page, rung):
    client = browser(Role.OPERATOR)
    assert "disk-pool-vda" not in text(client.get(page))
    mine = f"/guests/{cast.db.pk}/migrate/"
    assert "Becomes /srv/local/db.qcow2 on beta." in text(client.get(mine))
    chosen = wish(cast, **{"disk-pool-vda": "shared", "disk-path-vda": "database.qcow2"})
    assert "Becomes /srv/shared/database.qcow2 on beta." in text(client.get(mine, chosen))
    client.post(mine, chosen)
    place = {"vda": {"pool": "shared", "path": "database.qcow2"}}
    assert Migration.objects.get().options["disks"] == place


def test_a_medium_that_stays_behind_brings_up_its_choice(cast, rung):
    alpha, uuid = cast.fleet.hosts["alpha"], str(cast.db.uuid)
    medium = DiskFacts(target="sda", bus="sata", device="cdrom", kind="file", source="/srv/local/tools.iso")
    guest = alpha.guest_rows[uuid]
    alpha._put(replace(guest, disks=(*guest.disks, medium), xml=""))
    cast.sync()
    client, mine = browser(Role.OPERATOR), f"/guests/{cast.db.pk}/migrate/"
    refused = text(client.get(mine))
    assert "tools.iso in sda" in refused
    assert "is not seen by both hosts" in refused
    ejected = text(client.get(mine, wish(cast, media="eject")))
    assert "Move db to beta" in ejected
    assert "arrives empty" in ejected
    client.post(mine, wish(cast, media="eject"))
    assert Migration.objects.get().options["media"] == "eject"


def test_the_policy_that_holds_is_named_and_another_can_be_chosen(cast, page, messages, rung):
    client = browser(Role.OPERATOR)
    html = text(client.get(page))
    assert "automatic: Balanced (the default)" in html
    assert "At most 300 ms of pause" in html
    client.post(page, wish(cast, policy="Gentle"))
    assert Migration.objects.get().terms["policy"] == "Gentle"
