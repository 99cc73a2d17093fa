"""Drover's settings for tests: everything in a folder of the run's own, every transport allowed."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_home = tempfile.mkdtemp(prefix="drover-test-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["DROVER_HOME"] = _home
os.environ.setdefault("DROVER_TRANSPORTS", "tls,ssh,tcp,unix,test,fake")
os.environ["DROVER_SECRET_KEY"] = "only for tests, never for a real Drover"
os.environ.pop("DROVER_REDIS_URL", None)

from fleet.settings import *  # noqa: E402,F403
from fleet.settings import DATABASES, HOME, REST_FRAMEWORK  # noqa: E402,F401

ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not memory: racing threads each have their own connection.
    DATABASES["default"]["TEST"] = {"NAME": str(HOME / "test.sqlite3")}
# Threads of a test must leave no session behind, or PostgreSQL does not let go of the test database.
DATABASES["default"]["CONN_MAX_AGE"] = 0
# WhiteNoise warns of a folder that is not there, and nothing is collected for tests.
STATIC_ROOT = HOME / "staticfiles"
STATIC_ROOT.mkdir(exist_ok=True)
