"""Who may do what, over every address that the URLconf holds: a new address without a line here fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from fleet.access import audit, tokens
from fleet.access.principal import Principal
from fleet.access.verbs import VERBS, least_role
from fleet.models import ApiToken, AuditEvent, Guest, Host, Job, JobEvent, SiteLink
from fleet.states import Role

OPEN, SIGNED_IN = "open", "signed in"
HTTP_METHODS = {"get", "post", "put", "patch", "delete"}

#: What each address and method needs: a verb of the table, or one of the two words above.
NEEDS = {
    ("schema", "get"): OPEN,
    ("docs", "get"): OPEN,
    ("site-list", "get"): SIGNED_IN,
    ("site-list", "post"): "site.change",
    ("site-detail", "get"): SIGNED_IN,
    ("site-detail", "patch"): "site.change",
    ("site-detail", "delete"): "site.change",
    ("site-link-list", "get"): SIGNED_IN,
    ("site-link-list", "post"): "site.change",
    ("site-link-detail", "get"): SIGNED_IN,
    ("site-link-detail", "patch"): "site.change",
    ("site-link-detail", "delete"): "site.change",
    ("host-list", "get"): SIGNED_IN,
    ("host-list", "post"): "host.add",
    ("host-detail", "get"): SIGNED_IN,
    ("host-detail", "patch"): "host.change",
    ("host-detail", "delete"): "host.remove",
    ("host-refresh", "post"): "host.refresh",
    ("host-maintenance", "post"): "host.maintenance",
    ("guest-list", "get"): SIGNED_IN,
    ("guest-detail", "get"): SIGNED_IN,
    ("guest-detail", "patch"): "guest.change",
    ("guest-destinations", "get"): SIGNED_IN,
    ("guest-difference", "get"): SIGNED_IN,
    ("map-list", "get"): SIGNED_IN,
    ("map-list", "post"): "map.change",
    ("map-detail", "get"): SIGNED_IN,
    ("map-detail", "patch"): "map.change",
    ("map-detail", "delete"): "map.change",
    ("job-list", "get"): SIGNED_IN,
    ("job-detail", "get"): SIGNED_IN,
    ("job-cancel", "post"): "job.cancel",
    ("job-bandwidth", "post"): "job.bandwidth",
    ("job-downtime", "post"): "job.downtime",
    ("job-postcopy", "post"): "job.post-copy",
    ("job-pause", "post"): "job.pause",
    ("job-retry", "post"): "job.retry",
    ("job-events", "get"): SIGNED_IN,
    ("event-list", "get"): SIGNED_IN,
    ("migration-policy-list", "get"): SIGNED_IN,
    ("migration-policy-list", "post"): "policy.change",
    ("migration-policy-detail", "get"): SIGNED_IN,
    ("migration-policy-detail", "patch"): "policy.change",
    ("migration-policy-detail", "delete"): "policy.change",
    ("migration-policy-default", "post"): "policy.change",
    ("forecast-list", "get"): SIGNED_IN,
    ("forecast-detail", "get"): SIGNED_IN,
    ("forecast-summary", "get"): SIGNED_IN,
    ("migration-list", "get"): SIGNED_IN,
    ("migration-list", "post"): "migration.submit",
    ("migration-detail", "get"): SIGNED_IN,
    ("migration-receipt", "get"): SIGNED_IN,
    ("receipts-key", "get"): SIGNED_IN,
    ("quarantine-list", "get"): SIGNED_IN,
    ("quarantine-detail", "get"): SIGNED_IN,
    ("quarantine-detail", "delete"): "quarantine.delete",
    ("quarantine-restore", "post"): "quarantine.restore",
    ("audit-list", "get"): "audit.view",
    ("audit-detail", "get"): "audit.view",
    # One's own; the matrix below asks for one's own token.
    ("token-list", "get"): SIGNED_IN,
    ("token-list", "post"): SIGNED_IN,
    ("token-detail", "get"): SIGNED_IN,
    ("token-detail", "delete"): SIGNED_IN,
}
#: Details that belong to no site or to their owner, so that a role at another site does not hide them.
NOT_OF_A_SITE = {
    "audit-detail",
    "token-detail",
    "site-link-detail",
    "map-detail",
    "migration-policy-detail",
    "migration-policy-default",
}


def addresses() -> Iterator[tuple[str, str, bool]]:
    """Name, method and whether it is about one thing, of every address under /api/v1/."""
    for pattern in _patterns(get_resolver()):
        name = pattern.name
        if name is None:
            continue
        actions = getattr(pattern.callback, "actions", None)
        methods = set(actions) if actions else {"get"}
        for method in sorted(methods & HTTP_METHODS):
            yield name, method, "pk" in pattern.pattern.converters


def _patterns(resolver: URLResolver, inside: bool = False) -> Iterator[URLPattern]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from _patterns(entry, inside or entry.namespace == "api")
        elif inside:
            yield entry


ADDRESSES = list(addresses())


def test_every_address_says_what_it_needs():
    assert {(name, method) for name, method, _ in ADDRESSES} == set(NEEDS)


def test_every_need_is_a_verb():
    assert set(NEEDS.values()) - {OPEN, SIGNED_IN} <= set(VERBS)


@pytest.fixture
def things(cast, django_user_model):
    """One thing of every kind, at north; the primary key by the first word of the address."""
    from migrations_app.models import ForecastError, Migration, MigrationPolicy, QuarantinedDisk, TargetMap

    job = Job.objects.create(kind="migration", guest=cast.web, host=cast.beta, subject_name="web", title="Move web")
    JobEvent.objects.create(job=job, seq=1, code="submitted", message="asked")
    Migration.objects.create(
        job=job,
        guest=cast.web,
        source=cast.alpha,
        destination=cast.beta,
        guest_uuid=cast.web.uuid,
        source_name="alpha",
        destination_name="beta",
        mode="live",
        storage="none",
        memory_mib=64,
        receipt={"guest": "web"},
        receipt_signature="signed",
        receipt_key="key",
    )
    kept = QuarantinedDisk.objects.create(
        host=cast.alpha,
        host_name="alpha",
        pool="local",
        path="/srv/local/web.qcow2",
        guest_uuid=cast.web.uuid,
        guest_name="web",
        since=timezone.now(),
    )
    event = audit.record(principal=Principal.system(), verb="host.add", subject=cast.alpha, outcome="done")
    return {
        "site": cast.north.pk,
        "site-link": SiteLink.objects.get(source=cast.north).pk,
        "map": TargetMap.objects.create(name="prod", rules={"pools": [{"from": "a", "to": "b"}]}).pk,
        "host": cast.alpha.pk,
        "guest": cast.web.pk,
        "job": job.pk,
        "migration": job.pk,
        "forecast": ForecastError.objects.create(job=job, guest=cast.web, copied_disks=False, duration_ms=1).pk,
        "migration-policy": MigrationPolicy.objects.get(name="Gentle").pk,
        "quarantine": kept.pk,
        "audit": event.pk,
    }


def ask(client, name: str, method: str, detail: bool, things, owner: str):
    kind = name.rpartition("-")[0]
    if kind == "token" and detail:
        token = ApiToken.objects.filter(user__username=owner).first()
        pk = token.pk if token else "00000000-0000-0000-0000-000000000000"
    else:
        pk = things.get(kind)
    url = reverse(f"api:{name}", args=[pk] if detail else [])
    body = {"action": "enter"} if name == "host-maintenance" else {}
    return getattr(client, method)(url, **({} if method == "get" else {"data": body}))


@pytest.mark.parametrize(("name", "method", "detail"), ADDRESSES)
def test_roles(things, caller, anonymous, name, method, detail):
    need = NEEDS[name, method]
    refused = ask(anonymous, name, method, detail, things, "nobody")
    assert (refused.status_code == 401) == (need != OPEN), refused.content
    for role in Role:
        answer = ask(caller(role.value), name, method, detail, things, role.value)
        enough = need in {OPEN, SIGNED_IN} or role.rank >= least_role(need).rank
        assert (answer.status_code == 403) == (not enough), (role, answer.content)
        if not enough:
            assert answer.json()["data"]["role_needed"] == least_role(need).value
        assert answer.status_code not in {401, 404, 405, 500}, (role, answer.content)


@pytest.mark.parametrize(
    ("name", "method", "detail"), [one for one in ADDRESSES if one[2] and one[0] not in NOT_OF_A_SITE]
)
def test_what_is_at_another_site_does_not_exist(things, cast, caller, name, method, detail):
    answer = ask(caller("admin", site=cast.south), name, method, detail, things, "nobody")
    assert answer.status_code == 404, answer.content


@pytest.mark.parametrize(("name", "method", "detail"), [one for one in ADDRESSES if one[2]])
def test_an_admin_of_the_right_site_may(things, cast, caller, name, method, detail):
    answer = ask(caller("admin", site=cast.north), name, method, detail, things, "admin-north")
    shown = {(f"{kind}-detail", "get") for kind in ("site-link", "map", "migration-policy")}
    of_no_site = {
        "audit-detail",
        "site-link-detail",
        "map-detail",
        "migration-policy-detail",
        "migration-policy-default",
    }
    everywhere = name in of_no_site and (name, method) not in shown
    assert (answer.status_code == 403) == everywhere, answer.content
    assert answer.status_code not in {401, 404, 405, 500}


@pytest.mark.parametrize("name", ["site", "host", "guest", "job", "event", "migration"])
def test_lists_leave_out_other_sites(things, cast, caller, name):
    url = reverse(f"api:{name}-list")
    north, south = (caller("viewer", site=site).get(url).json() for site in (cast.north, cast.south))
    both = caller("viewer").get(url).json()
    assert north["count"] + south["count"] == both["count"] > 0
    assert south["count"] == (1 if name in {"site", "host"} else 0)


def test_a_guest_that_no_host_knows_is_seen_only_with_a_role_everywhere(cast, caller):
    Guest.objects.update(host=None)
    assert caller("viewer", site=cast.north).get("/api/v1/guests/").json()["count"] == 0
    assert caller("viewer").get("/api/v1/guests/").json()["count"] == 2


def test_a_tokens_role_narrows_what_its_owner_may(cast, caller):
    answer = caller("admin", token_role="viewer").post("/api/v1/hosts/", {})
    assert answer.status_code == 403


def test_permitted_actions_are_the_callers(things, caller, viewer):
    url = f"/api/v1/jobs/{things['job']}/"
    assert viewer.get(url).json()["permitted_actions"] == []
    assert caller("operator").get(url).json()["permitted_actions"] == ["cancel"]


def test_nobodys_token_is_seen_by_others_but_admins(caller, operator, viewer, admin):
    token, _ = tokens.make(user=ApiToken.objects.get(user__username="operator").user, role=Role.VIEWER)
    url = f"/api/v1/tokens/{token.pk}/"
    assert viewer.get(url).status_code == 404
    assert viewer.delete(url).status_code == 404
    assert admin.delete(url).status_code == 204
    assert AuditEvent.objects.filter(verb="token.revoke", subject_id=str(token.pk)).count() == 1


def test_an_expired_token_sees_nothing(cast, viewer):
    ApiToken.objects.update(expires_at=timezone.now())
    assert viewer.get("/api/v1/hosts/").status_code == 401
    assert Host.objects.count() == 3
