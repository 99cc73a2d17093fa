"""Numbers as words, and the same words from the page's script."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from fleet.templatetags import units

FORMAT = Path(__file__).resolve().parents[3] / "static" / "js" / "format.js"

CASES = [
    ("bytesize", None, units.NOTHING),
    ("bytesize", 0, "0 B"),
    ("bytesize", 1536, "1.5 KiB"),
    ("bytesize", 10 * 2**30, "10 GiB"),
    ("bytesize", 5_300_000_000, "4.9 GiB"),
    ("mib", 96, "96 MiB"),
    ("mib", 2048, "2 GiB"),
    ("rate", 14 * 2**20, "14 MiB/s"),
    ("millis", 82, "82 ms"),
    ("millis", 1400, "1.4 s"),
    ("millis", 125_000, "2 min 5 s"),
    ("seconds", 7300, "2 h 1 min"),
    ("percent", 62.7, "63 %"),
    ("guests", 1, "1 guest"),
    ("guests", 0, "0 guests"),
    ("range_s", {}, units.NOTHING),
    ("range_s", {"eta_s_low": 14, "eta_s_high": 31}, "14 to 31 s"),
    ("range_s", {"eta_s_low": 134, "eta_s_high": 269}, "2 to 5 min"),
    ("range_s", {"eta_s_low": 5, "eta_s_high": 5}, "about 5 s"),
    ("range_s", {"eta_s_low": 30}, "at least 30 s"),
    ("struggle", {"iteration": 1, "rate_bytes_s": 9, "dirty_rate_bytes_s": 9}, ""),
    ("struggle", {"iteration": 5, "rate_bytes_s": 2**21, "dirty_rate_bytes_s": 2**20}, ""),
    (
        "struggle",
        {"iteration": 5, "rate_bytes_s": 100 * 2**20, "dirty_rate_bytes_s": 96 * 2**20},
        "Hardly converging: the guest writes 96 MiB/s, the link carries 100 MiB/s. It may never finish like this.",
    ),
    (
        "struggle",
        {"iteration": 5, "rate_bytes_s": 2**20, "dirty_rate_bytes_s": 2**21, "throttle_percent": 40},
        "Not converging: the guest writes 2 MiB/s, the link carries 1 MiB/s. "
        "Its CPUs are slowed down by 40 % so that it can.",
    ),
]


@pytest.mark.parametrize(("name", "value", "words"), CASES)
def test_a_template_says_it_like_this(name, value, words):
    assert getattr(units, name)(value) == words


def test_the_script_says_exactly_the_same():
    if shutil.which("node") is None:
        pytest.skip("needs node")
    script = (
        f"import * as format from {json.dumps(FORMAT.as_uri())};"
        f"console.log(JSON.stringify({json.dumps([[name, value] for name, value, _ in CASES])}"
        ".map(([name, value]) => format[name](value))));"
    )
    said = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == [words for _, _, words in CASES]
