"""The queue on real hosts: a full host lets moves wait, and links are handed over from one to the next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.with_lab.installation import Installation, until

FREE = {"max_moves_out": None, "max_moves_in": None, "migration_bandwidth_mbps": None}


def limit(drover: Installation, host: str, **fields: Any) -> None:
    status, answer = drover.api("PATCH", f"hosts/{drover.host(host)['id']}/", fields, If_Match="*")
    assert status == 200, answer


@pytest.fixture
def limited(drover: Installation) -> Iterator[Installation]:
    """Drover, with every limit taken back afterwards."""
    yield drover
    for host in ("alpha", "beta"):
        limit(drover, host, **FREE)


def together(drover: Installation, *guests: str) -> dict[str, Any]:
    beta = drover.host("beta")["id"]
    items = [{"guest": drover.guest(name)["id"], "destination": beta} for name in guests]
    status, answer = drover.api("POST", "migrations/", {"items": items})
    assert status == 202, answer
    return answer


def test_moves_together_pass_a_full_host_one_by_one(limited: Installation) -> None:
    limit(limited, "beta", max_moves_in=1)
    answer = together(limited, "web1", "db1")
    second = answer["jobs"][1]
    told = until(lambda: limited.job(second)["waiting"], 20, "the second one waits", limited.story(second))
    assert (told["for"], told["place"]) == ("beta takes 1 move at once", 1)
    parent = limited.finished(answer["parent"])
    assert (parent["state"], parent["result"]["moved"]) == ("succeeded", 2), parent
    first, second = (limited.job(job) for job in answer["jobs"])
    assert first["finished_at"] <= second["started_at"]


def test_the_next_move_gets_ready_at_a_trickle_and_takes_the_link_over(limited: Installation) -> None:
    limit(limited, "alpha", migration_bandwidth_mbps=100)
    answer = together(limited, "web1", "db1")
    parent = limited.finished(answer["parent"])
    assert parent["state"] == "succeeded", parent
    first, second = (limited.job(job) for job in answer["jobs"])
    assert second["started_at"] < first["finished_at"], "it began beside the first one"
    assert second["finished_at"] > first["finished_at"]
