"""Signing in by password and by link, and out."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from fleet.access import login_links


@pytest.fixture
def ada(db) -> User:
    return User.objects.create_superuser("ada", password="a long passphrase")


def signed_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def test_a_link_is_not_used_up_by_looking_at_it(ada):
    path, preview = login_links.make(ada), Client()
    for _ in range(3):
        assert preview.get(path).status_code == 200
    assert not signed_in(preview)
    person = Client()
    assert person.post(path)["Location"] == "/"
    assert signed_in(person)


def test_a_link_signs_in_once(ada):
    path = login_links.make(ada)
    Client().post(path)
    second = Client()
    answer = second.post(path)
    assert "was used already" in answer.content.decode()
    assert not signed_in(second)


def test_a_made_up_link_signs_nobody_in(db):
    answer = Client().post("/sign-in/made-up/")
    assert (answer.status_code, "not one of ours" in answer.content.decode()) == (422, True)


def test_a_password_leads_back_to_the_page_that_asked(ada):
    client = Client()
    answer = client.post("/sign-in/", {"name": "ada", "password": "a long passphrase", "next": "/guests/?q=web"})
    assert answer["Location"] == "/guests/?q=web"
    assert signed_in(client)


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"])
def test_signing_in_never_leads_elsewhere(ada, target):
    answer = Client().post("/sign-in/", {"name": "ada", "password": "a long passphrase", "next": target})
    assert answer["Location"] == "/"


def test_a_wrong_password_says_so_and_keeps_the_name(ada):
    client = Client()
    answer = client.post("/sign-in/", {"name": "ada", "password": "wrong"})
    assert answer.status_code == 422
    assert "do not go together" in answer.content.decode()
    assert 'value="ada"' in answer.content.decode()
    assert not signed_in(client)


def test_who_signs_out_is_out(ada):
    client = Client()
    client.force_login(ada)
    client.post("/sign-out/")
    assert not signed_in(client)
