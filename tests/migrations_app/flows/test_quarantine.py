"""Disks left behind: kept with a note, restored or deleted on wish or in time, never while anybody may need them."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from fleet.hypervisor.errors import HostUnreachable
from fleet.models import AuditEvent, Host
from fleet.refusals import Forbidden, NotNow
from fleet.states import Role
from migrations_app.flows import quarantine, quarantine_care
from migrations_app.flows.run import run
from migrations_app.flows.submit import submit
from migrations_app.models import QuarantinedDisk
from migrations_app.options import Options
from tests.cast import Cast, principal

PATH = "/srv/local/db.qcow2"


def moved(cast: Cast, *, to: Host | None = None, **options: Any) -> Any:
    wish = submit(
        principal=principal(Role.OPERATOR), guest=cast.db, destination=to or cast.beta, options=Options(**options)
    )
    assert wish.job is not None
    run(wish.job.pk)
    wish.job.refresh_from_db()
    assert wish.job.state == "succeeded", wish.job.error
    cast.sync()
    return wish.job


@pytest.fixture
def kept(committed_cast: Cast, rung: list[Any], messages: list[Any]) -> QuarantinedDisk:
    moved(committed_cast)
    disk = QuarantinedDisk.objects.get()
    quarantine_care.attend(disk.pk)
    disk.refresh_from_db()
    return disk


def there(cast: Cast, path: str = PATH) -> bool:
    return cast.fleet.hosts["alpha"].volume(path) is not None


def expired(disk: QuarantinedDisk) -> QuarantinedDisk:
    QuarantinedDisk.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert quarantine_care.due() == [disk.pk]
    quarantine_care.attend(disk.pk)
    disk.refresh_from_db()
    return disk


def test_a_copied_disk_is_kept_measured_and_marked_with_a_note(committed_cast: Cast, kept: QuarantinedDisk) -> None:
    assert (kept.state, kept.path, kept.pool, kept.host_name) == ("kept", PATH, "local", "alpha")
    assert kept.size_bytes == 200_704
    assert kept.expires_at is not None
    assert kept.expires_at - kept.since == timedelta(days=7)
    assert there(committed_cast, f"{PATH}.drover-quarantine")
    folder, _ = committed_cast.fleet.hosts["alpha"].pool_folders["local"]
    note = folder.notes["db.qcow2.drover-quarantine"]
    assert "was a disk of db" in note
    assert "do not start any guest" in note
    assert quarantine_care.due() == []


def test_a_shared_disk_leaves_nothing_to_keep(committed_cast: Cast, rung: list[Any], messages: list[Any]) -> None:
    wish = submit(principal=principal(Role.OPERATOR), guest=committed_cast.web, destination=committed_cast.beta)
    assert wish.job is not None
    run(wish.job.pk)
    assert not QuarantinedDisk.objects.exists()


@pytest.mark.parametrize("options", [{"keep_source": False}, {"undefine_source": False}], ids=str)
def test_disks_that_were_removed_or_are_still_defined_are_not_listed(
    committed_cast: Cast, rung: list[Any], messages: list[Any], options: dict[str, bool]
) -> None:
    moved(committed_cast, **options)
    assert not QuarantinedDisk.objects.exists()


def test_after_its_time_it_is_deleted_with_its_note(committed_cast: Cast, kept: QuarantinedDisk) -> None:
    assert expired(kept).state == "deleted"
    assert not there(committed_cast)
    assert not there(committed_cast, f"{PATH}.drover-quarantine")
    assert AuditEvent.objects.filter(verb="quarantine.delete", outcome="succeeded").exists()


@pytest.mark.parametrize("state", ["running", "shutoff"])
@pytest.mark.parametrize("how", ["source", "backing"])
def test_a_guest_that_has_it_in_a_chain_keeps_it_whatever_its_state(
    committed_cast: Cast, kept: QuarantinedDisk, state: str, how: str
) -> None:
    disk = dataclasses.replace(
        committed_cast.fleet.hosts["beta"].guest_rows[str(committed_cast.db.uuid)].disks[0],
        **{"source": "/elsewhere/x", how: PATH},
    )
    committed_cast.fleet.hosts["alpha"].add_guest("heir", state=state, disks=(disk,))
    assert expired(kept).state == "kept"
    assert "used: guest heir on alpha" in kept.trouble
    assert there(committed_cast)
    assert quarantine_care.due() == [], "it rests a while"


def test_a_volume_that_is_based_on_it_keeps_it(committed_cast: Cast, kept: QuarantinedDisk) -> None:
    alpha = committed_cast.fleet.hosts["alpha"]
    made = alpha.create_volume(pool="local", name="overlay.qcow2", capacity_bytes=1, format="qcow2")
    folder, _ = alpha.pool_folders["local"]
    folder.volumes["overlay.qcow2"] = dataclasses.replace(made, backing=PATH)
    assert expired(kept).state == "kept"
    assert there(committed_cast)


@pytest.mark.parametrize("silent", ["row", "call"])
def test_a_silent_host_that_may_see_the_folder_keeps_it(
    committed_cast: Cast, kept: QuarantinedDisk, silent: str
) -> None:
    beta = committed_cast.fleet.hosts["beta"]
    folder, kind = committed_cast.fleet.hosts["alpha"].pool_folders["local"]
    folder.markers.add(beta.uuid)
    beta.pool_folders["seen"] = (folder, kind)
    committed_cast.sync()
    if silent == "row":
        Host.objects.filter(name="beta").update(contact=Host.Contact.UNREACHABLE)
    else:
        beta.faults.fail_at("file_users", HostUnreachable("no answer"), times=None)
    assert expired(kept).state == "kept"
    assert there(committed_cast)


def test_its_own_silent_host_is_left_alone(committed_cast: Cast, kept: QuarantinedDisk) -> None:
    Host.objects.filter(name="alpha").update(contact=Host.Contact.UNREACHABLE)
    QuarantinedDisk.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert quarantine_care.due() == []
    kept.refresh_from_db()
    with pytest.raises(NotNow, match="cannot be asked"):
        quarantine.ask_for(principal=principal(Role.OPERATOR), disk=kept, wish="delete")


def test_restoring_leaves_the_file_and_takes_the_note_away(committed_cast: Cast, kept: QuarantinedDisk) -> None:
    quarantine.ask_for(principal=principal(Role.OPERATOR), disk=kept, wish="restore")
    with pytest.raises(NotNow, match="being dealt with"):
        quarantine.ask_for(principal=principal(Role.OPERATOR), disk=kept, wish="delete")
    quarantine_care.attend(kept.pk)
    kept.refresh_from_db()
    assert kept.state == "restored"
    assert there(committed_cast)
    assert not there(committed_cast, f"{PATH}.drover-quarantine")
    told = AuditEvent.objects.filter(verb="quarantine.restore").order_by("id").values_list("outcome", flat=True)
    assert list(told) == ["accepted", "succeeded"]


def test_a_wish_that_fails_says_why_and_may_be_repeated(committed_cast: Cast, kept: QuarantinedDisk) -> None:
    committed_cast.fleet.hosts["alpha"].faults.fail_at("delete_volume", HostUnreachable("it hangs"), times=1)
    for state in ("kept", "deleted"):
        quarantine.ask_for(principal=principal(Role.OPERATOR), disk=kept, wish="delete")
        quarantine_care.attend(kept.pk)
        kept.refresh_from_db()
        assert kept.state == state
    assert AuditEvent.objects.filter(verb="quarantine.delete", outcome="failed").exists()


def test_a_file_that_somebody_removed_is_gone(committed_cast: Cast, kept: QuarantinedDisk) -> None:
    committed_cast.fleet.hosts["alpha"].delete_volume(PATH)
    assert expired(kept).state == "gone"


def test_two_workers_never_look_after_one_disk(committed_cast: Cast, kept: QuarantinedDisk) -> None:
    QuarantinedDisk.objects.update(
        expires_at=timezone.now() - timedelta(seconds=1), rests_until=timezone.now() + timedelta(minutes=1)
    )
    quarantine_care.attend(kept.pk)
    assert there(committed_cast)
    with pytest.raises(NotNow, match="being dealt with"):
        quarantine.ask_for(principal=principal(Role.OPERATOR), disk=kept, wish="restore")


def test_a_guest_that_comes_back_takes_another_name_and_the_kept_file_is_untouched(
    committed_cast: Cast, kept: QuarantinedDisk
) -> None:
    job = moved(committed_cast, to=committed_cast.alpha)
    assert job.events.filter(code="quarantine.in_the_way").exists()
    assert there(committed_cast)
    assert committed_cast.db.disks[0]["source"] != PATH
    assert QuarantinedDisk.objects.kept().count() == 2


def test_viewers_may_look_and_not_touch(committed_cast: Cast, kept: QuarantinedDisk) -> None:
    with pytest.raises(Forbidden):
        quarantine.ask_for(principal=principal(Role.VIEWER), disk=kept, wish="delete")
    southerner = principal(Role.ADMIN, "southerner", committed_cast.south)
    assert not quarantine.visible(southerner).exists()


def test_programs_list_restore_and_delete(committed_cast: Cast, kept: QuarantinedDisk) -> None:
    client = APIClient()
    client.force_login(principal(Role.OPERATOR).user)
    (found,) = client.get("/api/v1/quarantine/?state=kept&host=alpha").json()["results"]
    assert (found["path"], found["guest_name"], found["size_bytes"]) == (PATH, "db", 200_704)
    assert client.delete(found["url"]).status_code == 202
    assert client.post(f"{found['url']}restore/").status_code == 409
    quarantine_care.attend(kept.pk)
    assert client.get(found["url"]).json()["state"] == "deleted"


def test_the_page_lists_them_with_size_expiry_and_buttons(committed_cast: Cast, kept: QuarantinedDisk) -> None:
    client = Client()
    client.force_login(principal(Role.OPERATOR).user)
    html = client.get("/quarantine/").content.decode()
    assert PATH in html
    assert "Restore" in html
    assert "Delete" in html
    assert client.post(f"/quarantine/{kept.pk}/restore/").status_code == 302
    assert "restore asked for" in client.get("/quarantine/").content.decode()
    assert client.post(f"/quarantine/{kept.pk}/burn/").status_code == 404
    viewer = Client()
    viewer.force_login(principal(Role.VIEWER).user)
    assert "Restore" not in viewer.get("/quarantine/").content.decode()


def test_a_half_made_copy_at_a_host_that_fell_silent_is_removed_when_it_answers(
    committed_cast: Cast, rung: list[Any], messages: list[Any]
) -> None:
    cast, beta = committed_cast, committed_cast.fleet.hosts["beta"]
    beta.faults.lose_answer_of("create_volume")
    beta.faults.fail_at("delete_volume", HostUnreachable("beta: connection refused", host="beta"))
    wish = submit(principal=principal(Role.OPERATOR), guest=cast.db, destination=cast.beta)
    assert wish.job is not None
    run(wish.job.pk)
    wish.job.refresh_from_db()
    assert (wish.job.state, wish.job.error["guest_is_on"]) == ("failed", "alpha")
    assert beta.volume(PATH) is not None

    beta.faults.clear()
    (half_made,) = quarantine_care.due()
    quarantine_care.attend(half_made)
    assert beta.volume(PATH) is None
    assert there(cast), "the guest's own disk is another file, on another host"
    assert QuarantinedDisk.objects.get().state == QuarantinedDisk.State.DELETED
