from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone

from fleet.access import login_links, sign_in, tokens
from fleet.models import ApiToken, AuditEvent, Grant, LoginLink, Site
from fleet.refusals import Refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> User:
    user = User.objects.create_user("anna", password="a long enough one")
    Grant.objects.create(user=user, role="operator")
    return user


def request(address: str = "10.0.0.7"):
    made = RequestFactory().post("/", REMOTE_ADDR=address)
    made.session = SessionStore()
    return made


def attempt(password: str, *, name: str = "anna", address: str = "10.0.0.7"):
    return sign_in.by_password(request=request(address), user_name=name, password=password)


def token_of(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def test_the_right_password_signs_in_and_is_recorded(anna):
    assert attempt("a long enough one") == anna
    event = AuditEvent.objects.get()
    assert (event.verb, event.outcome, event.user_name, event.address) == ("session.begin", "done", "anna", "10.0.0.7")


def test_a_wrong_password_is_refused_without_saying_which_was_wrong(anna):
    refusals = []
    for name in ("anna", "nobody"):
        with pytest.raises(Refused) as refusal:
            attempt("wrong", name=name)
        refusals.append(refusal.value.text)
    assert len(set(refusals)) == 1


def test_the_sixth_attempt_has_to_wait_even_with_the_right_password(anna):
    for _ in range(5):
        with pytest.raises(Refused):
            attempt("wrong")
    with pytest.raises(sign_in.TooMany) as refusal:
        attempt("a long enough one")
    assert refusal.value.status == 429
    assert attempt("a long enough one", address="10.0.0.8") == anna


def test_an_address_that_tries_many_names_has_to_wait(anna):
    for number in range(sign_in.PER_ADDRESS):
        with pytest.raises(Refused):
            attempt("wrong", name=f"guess{number}")
    with pytest.raises(sign_in.TooMany):
        attempt("a long enough one")


def test_a_link_signs_in_once(anna):
    token = token_of(login_links.make(anna))
    assert sign_in.by_link(request=request(), token=token) == anna
    with pytest.raises(Refused, match="used already"):
        login_links.use(token)


def test_a_link_ends_after_its_time(anna):
    token = token_of(login_links.make(anna))
    LoginLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Refused, match="too old"):
        login_links.use(token)


def test_an_unknown_link_is_refused():
    with pytest.raises(Refused, match="not one of ours"):
        login_links.use("x")


def test_a_link_of_somebody_inactive_is_refused(anna):
    token = token_of(login_links.make(anna))
    User.objects.update(is_active=False)
    with pytest.raises(Refused, match="inactive"):
        login_links.use(token)


@pytest.mark.django_db(transaction=True)
def test_of_many_uses_at_the_same_moment_one_wins():
    user = User.objects.create_user("anna")
    token = token_of(login_links.make(user))
    gate, outcomes = threading.Barrier(4), []

    def use() -> None:
        gate.wait()
        try:
            outcomes.append(login_links.use(token).username)
        except Refused as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["anna", "link_used", "link_used", "link_used"]


def test_create_token_prints_the_token_alone(anna, capsys):
    call_command("create_token", user="anna")
    out = capsys.readouterr().out
    assert re.fullmatch(r"drv_[0-9a-f]{16}\.[\w-]{43}\n", out)
    _, principal = tokens.principal_of(out.strip())
    assert principal.everywhere == "operator"


def test_create_token_for_a_site_works_only_there(anna, capsys):
    Site.objects.create(slug="north", name="North")
    call_command("create_token", user="anna", role="viewer", site="north", days=1)
    token = ApiToken.objects.get()
    assert (token.role, token.site.slug) == ("viewer", "north")
    assert token.expires_at is not None


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"user": "bob"}, "manage.py grant --user bob"),
        ({"user": "anna", "role": "admin"}, "The most you can give is operator"),
        ({"user": "anna", "site": "mars"}, "Known sites: none yet"),
        ({"user": "rootless"}, "manage.py grant --user rootless"),
    ],
)
def test_create_token_names_the_remedy(anna, options, remedy):
    User.objects.create_user("rootless")
    with pytest.raises(CommandError, match=remedy):
        call_command("create_token", **options)
    assert not ApiToken.objects.exists()


def test_login_link_makes_an_admin_where_there_is_none(capsys):
    call_command("login_link", user="admin", create_admin=True, address="http://127.0.0.1:8000/")
    link = capsys.readouterr().out.strip()
    assert link.startswith("http://127.0.0.1:8000/")
    user = login_links.use(token_of(link))
    assert (user.username, Grant.objects.get(user=user).role) == ("admin", "admin")
    assert not user.has_usable_password()


def test_login_link_for_an_unknown_name_says_how_to_make_one():
    with pytest.raises(CommandError, match="--create-admin"):
        call_command("login_link", user="nobody")


def test_grant_gives_changes_and_takes_a_role(anna):
    call_command("grant", user="bob", role="viewer", create=True)
    call_command("grant", user="bob", role="operator")
    assert Grant.objects.get(user__username="bob").role == "operator"
    call_command("grant", user="bob", role="none")
    assert not Grant.objects.filter(user__username="bob").exists()
