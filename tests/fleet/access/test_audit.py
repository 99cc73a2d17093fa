from __future__ import annotations

import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.models import AuditEvent, Site

pytestmark = pytest.mark.django_db


@pytest.fixture
def events() -> list[AuditEvent]:
    site = Site.objects.create(slug="north", name="Nörd")
    return [
        audit.record(
            principal=Principal.system(),
            verb="site.change",
            subject=site,
            outcome="done",
            before={"latitude": 1.5, "name": "Nord"},
            after={"latitude": number, "name": "Nörd"},
        )
        for number in range(5)
    ]


@pytest.fixture
def unguarded():
    """As somebody would who may change the tables."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER audit_no_update")
            cursor.execute("DROP TRIGGER audit_no_delete")
        else:
            cursor.execute("DROP TRIGGER audit_no_change ON fleet_auditevent")


def test_an_untouched_log_holds(events):
    verdict = audit.verify()
    assert (verdict.rows, verdict.fault, verdict.head) == (5, "", f"5:{events[-1].chain}")


def test_an_empty_log_holds():
    assert audit.verify().fault == ""


@pytest.mark.parametrize("column", ["detail", "user_name", "outcome", "verb", "subject_name", "door", "request_id"])
def test_a_flipped_word_is_found(events, unguarded, column):
    AuditEvent.objects.filter(pk=3).update(**{column: "other"})
    assert audit.verify().fault.startswith("row 3 ")


def test_a_flipped_number_in_a_document_is_found(events, unguarded):
    AuditEvent.objects.filter(pk=2).update(after={"latitude": 7, "name": "Nörd"})
    assert audit.verify().fault.startswith("row 2 ")


def test_a_deleted_row_is_found(events, unguarded):
    AuditEvent.objects.filter(pk=3).delete()
    assert audit.verify().fault == "row 3 is missing: after 2 comes 4"


def test_two_swapped_rows_are_found(events, unguarded):
    for before, after in ((2, 99), (3, 2), (99, 3)):
        AuditEvent.objects.filter(pk=before).update(id=after)
    assert audit.verify().fault.startswith("row 2 ")


def test_a_cut_off_end_is_found_with_a_known_head(events, unguarded):
    head = audit.verify().head
    AuditEvent.objects.filter(pk=5).delete()
    assert audit.verify().fault == ""
    assert audit.verify(head).fault == "the end is cut off: row 5 was there and is gone"


def test_a_rewritten_log_is_found_with_a_known_head(events, unguarded):
    head = audit.verify().head
    last = AuditEvent.objects.get(pk=5)
    last.detail = "never happened"
    AuditEvent.objects.filter(pk=5).update(
        detail=last.detail, chain=audit.seal(AuditEvent.objects.get(pk=4).chain, last)
    )
    assert audit.verify().fault == ""
    assert audit.verify(head).fault.startswith("row 5 is not the one that was known as 5:")


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_the_database_refuses_to_change_a_row(events, verb):
    rows = AuditEvent.objects.filter(pk=1)
    with pytest.raises(DatabaseError, match="audit rows are never changed"), transaction.atomic():
        rows.update(detail="other") if verb == "update" else rows.delete()


def test_a_row_of_a_change_that_was_rolled_back_is_not_kept(events):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit.record(principal=Principal.system(), verb="x", subject=("host", "1", "alpha"), outcome="done")
        raise ZeroDivisionError
    audit.record(principal=Principal.system(), verb="y", subject=("host", "1", "alpha"), outcome="done")
    assert audit.verify().fault == ""
    assert AuditEvent.objects.count() == 6


def test_the_command_says_how_many_rows_hold(events, capsys):
    call_command("audit_verify")
    assert capsys.readouterr().out == f"5 rows hold. Head: 5:{events[-1].chain}\n"


def test_the_command_fails_on_a_changed_row(events, unguarded):
    AuditEvent.objects.filter(pk=4).update(detail="other")
    with pytest.raises(CommandError, match=r"row 4 .* was changed"):
        call_command("audit_verify")


@pytest.mark.django_db(transaction=True)
def test_writers_at_the_same_moment_make_one_chain():
    gate = threading.Barrier(4)

    def write() -> None:
        gate.wait()
        for number in range(5):
            audit.record(principal=Principal.system(), verb="x", subject=("host", str(number), "alpha"), outcome="done")
        connection.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    verdict = audit.verify()
    assert (verdict.rows, verdict.fault) == (20, "")
