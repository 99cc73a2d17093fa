"""Drover's settings: one flat file, every choice from the environment, secrets from files."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Any

import dj_database_url
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from fleet.states import GuestState, HostState, JobState, Role, StepState

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    """A setting from the environment, or from the file that NAME_FILE points at."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text().strip() if path else os.environ.get(name, default)


def env_bool(name: str, default: bool = False) -> bool:
    """True for 1/true/yes/on, False for 0/false/no/off; anything else is an error that names the setting."""
    text = env(name, "yes" if default else "no").lower()
    if text not in {"1", "true", "yes", "on", "0", "false", "no", "off", ""}:
        raise ImproperlyConfigured(f"{name} is '{text}'; write yes or no")
    return text in {"1", "true", "yes", "on"}


def env_int(name: str, default: int) -> int:
    """A whole number, or an error that names the setting."""
    text = env(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is '{text}'; write a whole number") from None


def env_list(name: str, default: str = "") -> list[str]:
    """Comma-separated words."""
    return [word.strip() for word in env(name, default).split(",") if word.strip()]


#: Everything Drover writes on this machine: database, secrets, keys, sockets, logs.
HOME = Path(env("DROVER_HOME", str(BASE_DIR / "var"))).resolve()
SECRETS = HOME / "secrets"


def secret(name: str) -> str:
    """A secret from the environment or from a 0600 file in HOME/secrets that is made at first use."""
    given = env(f"DROVER_{name.upper()}")
    if given:
        return given
    # Important: the mode holds for the last folder only, and the home is as private as the secrets in it.
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    SECRETS.mkdir(mode=0o700, exist_ok=True)
    path = SECRETS / name
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as stream:
        stream.write(secrets.token_urlsafe(50))
    return path.read_text().strip()


_version = re.search(r"^## (\d+\.\d+\.\d+)", (BASE_DIR / "CHANGELOG.md").read_text(), re.MULTILINE)
VERSION = _version.group(1) if _version else "0.0.0"

DEBUG = env_bool("DROVER_DEBUG")
SECRET_KEY = secret("secret_key")
#: What the key is made from that signs receipts; the same on every machine of one installation.
RECEIPT_SECRET = secret("receipt_secret")
ALLOWED_HOSTS = env_list("DROVER_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
#: Set when a proxy in front terminates TLS: cookies become secure and HSTS is sent.
HTTPS = env_bool("DROVER_HTTPS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
CSRF_TRUSTED_ORIGINS = env_list("DROVER_TRUSTED_ORIGINS")
#: Redirecting to TLS (W008) and speaking for a whole domain (W005, W021) are the proxy's business, not ours.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
SESSION_COOKIE_NAME = "drover_session"
CSRF_COOKIE_NAME = "drover_csrf"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        # Tabler and uPlot set element styles; scripts stay strict.
        "style-src": [SELF, "'unsafe-inline'"],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "channels",
    "fleet",
    "migrations_app",
    "conversions",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "fleet.access.middleware.request_id",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "fleet.access.middleware.principal",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "fleet.urls"
ASGI_APPLICATION = "fleet.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "fleet.views.context.page",
            ]
        },
    }
]

DATABASE_URL = env("DROVER_DATABASE_URL", f"sqlite:///{HOME / 'drover.sqlite3'}")
DATABASES: dict[str, Any] = {"default": dj_database_url.parse(DATABASE_URL)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE takes the write lock at BEGIN, so two writers queue instead of failing half-way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000; "
        # Every thread of a worker has a connection; the kernel caches the file for all of them.
        "PRAGMA cache_size=-512;",
    }
else:
    # Under ASGI requests come in changing threads, where connections kept open would pile up.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

#: "unix:///path/redis.sock" (private, the default of one machine) or "redis://user:password@host:6379".
REDIS_URL = env("DROVER_REDIS_URL", f"unix://{HOME / 'redis.sock'}")
_is_socket = REDIS_URL.startswith("unix://")


def _database(number: int) -> str:
    """One numbered database of the Redis server as an address."""
    return f"{REDIS_URL}?db={number}" if _is_socket else f"{REDIS_URL}/{number}"


REDIS_CONNECTION_URL = _database(0)
CELERY_BROKER_URL = f"redis+socket://{REDIS_URL[7:]}?virtual_host=1" if _is_socket else _database(1)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # No task waits unacknowledged that long; the database lease, not this number, keeps a job single.
    "visibility_timeout": 86_400,
    "socket_connect_timeout": 2,
    "retry_policy": {"timeout": 2.0},
    # A request must not wait for an absent Redis (kombu's own default tries for six seconds): the sweep rings later.
    "max_retries": 0,
}
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(HOME / "clock")
#: Important: a worker judges a message's age by its own clock. One that is minutes ahead would throw every sweep away,
#: and with it all that dead workers left; so only what nobody took for a day goes.
_STALE = {"expires": 86_400.0}
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "fleet.tasks.sweep", "schedule": 5.0, "options": _STALE},
    "quarantine": {"task": "migrations_app.tasks.sweep_quarantine", "schedule": 60.0, "options": _STALE},
}
CHANNEL_LAYERS = {
    "default": {
        # The core layer loses messages and, with redis-py 8, idle sockets (channels_redis issue 422).
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": _database(2), "socket_timeout": None}]},
    }
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["fleet.access.authentication.Bearer", "fleet.access.authentication.Session"],
    "DEFAULT_PERMISSION_CLASSES": ["fleet.access.permissions.SignedIn"],
    "DEFAULT_PAGINATION_CLASS": "fleet.api.pages.LimitOffset",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "fleet.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Drover",
    "DESCRIPTION": "Moves virtual machines between plain KVM/libvirt hosts.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        kind.__name__: [state.value for state in kind] for kind in (HostState, GuestState, JobState, StepState, Role)
    },
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

#: Transports a host may be added with. "tcp" is clear text, "unix" is this machine, "test" and "fake" are no hosts.
TRANSPORTS = env_list("DROVER_TRANSPORTS", "tls,ssh")
#: Networks (CIDR) in which a host's address must lie; empty allows any but loopback, link-local and multicast.
HOST_NETWORKS = env_list("DROVER_HOST_NETWORKS")
#: cacert.pem, clientcert.pem and clientkey.pem for qemu+tls.
PKI_DIR = Path(env("DROVER_PKI_DIR", str(HOME / "pki")))
#: The private key for qemu+ssh.
SSH_KEY = Path(env("DROVER_SSH_KEY", str(HOME / "ssh" / "id_ed25519")))
#: Seconds after which a plain libvirt call is given up.
CALL_DEADLINE_S = env_int("DROVER_CALL_DEADLINE_S", 8)
OPEN_DEADLINE_S = env_int("DROVER_OPEN_DEADLINE_S", 6)
#: Whether /metrics answers without a token.
METRICS_OPEN = env_bool("DROVER_METRICS_OPEN")
#: Days that a copied disk's file stays at the source, in quarantine; 0 keeps it until somebody deletes it.
QUARANTINE_DAYS = env_int("DROVER_QUARANTINE_DAYS", 7)
#: Who gets a mail when a guest runs twice, and the server that takes it.
ALARM_EMAIL = env_list("DROVER_ALARM_EMAIL")
EMAIL_HOST = env("DROVER_SMTP_HOST", "localhost")
EMAIL_PORT = env_int("DROVER_SMTP_PORT", 25)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env("DROVER_MAIL_FROM", "drover@localhost")
#: A running job whose worker has not been heard of for this long is taken over by another.
LEASE_S = env_int("DROVER_LEASE_S", 15)
#: Live migrations that one worker runs side by side.
WORKER_THREADS = env_int("DROVER_WORKER_THREADS", 32)
#: Moves at once from and to a host that says nothing of its own. Four hide libvirt's start of a move (1 to 2 s) behind
#: others that flow, and leave each of them more of an unknown link than most guests write.
MAX_MOVES_OUT = env_int("DROVER_MAX_MOVES_OUT", 4)
MAX_MOVES_IN = env_int("DROVER_MAX_MOVES_IN", 4)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    # A line for every doorbell would bury what workers really say.
    "loggers": {"celery.worker.strategy": {"level": "WARNING"}, "celery.app.trace": {"level": "WARNING"}},
    "root": {"handlers": ["stderr"], "level": env("DROVER_LOG_LEVEL", "INFO")},
}
