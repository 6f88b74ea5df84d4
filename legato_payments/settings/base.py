"""Settings that every environment shares. Importing them starts nothing.

Every environment variable is described in the table of README.md.
"""

from pathlib import Path
from typing import Any

import environ
from celery.schedules import crontab

from legato_payments.local import paths

BASE_DIR = Path(__file__).resolve().parent.parent.parent

env = environ.FileAwareEnv()
"""Reads ``NAME`` from the environment, or from the file that ``NAME_FILE`` names."""

DEBUG = False
SECRET_KEY = env.str("SECRET_KEY", default="")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
ADMIN_PATH = env.str("ADMIN_PATH", default="admin/")
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8005")
SELLER_NAME = env.str("SELLER_NAME", default="Legato")
SELLER_ADDRESS = env.str("SELLER_ADDRESS", default="")
"""Who sells the coins, as receipts name them."""

INSTALLED_APPS = [
    # The plain config: the theme's own would put its site in place of ours.
    "unfold.apps.BasicAppConfig",
    "legato_payments.backoffice.apps.BackofficeAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "csp",
    "legato_payments.lib.apps.LibConfig",
    "payments",
    "revenue",
    "access",
]

MIDDLEWARE = [
    "legato_payments.lib.logging.RequestContextMiddleware",
    "legato_payments.lib.metrics_hooks.RequestMetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "legato_payments.urls"
WSGI_APPLICATION = "legato_payments.wsgi.application"
APPEND_SLASH = False

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
            ]
        },
    }
]


PREPARE_AFTER = 3
DB_PREPARE = env.bool("DB_PREPARE", default=True)


def database(url: str) -> dict[str, Any]:
    """Connection settings for one URL; a ``host=/socket/folder`` query becomes HOST."""
    config: dict[str, Any] = env.db_url_config(url)
    options = config.setdefault("OPTIONS", {})
    if socket_folder := options.pop("host", None):
        config["HOST"] = socket_folder
    config["CONN_MAX_AGE"] = 0
    config["CONN_HEALTH_CHECKS"] = True
    # Parameters travel beside the statement, and one that is sent often is planned once.
    options["server_side_binding"] = True
    options["prepare_threshold"] = PREPARE_AFTER if DB_PREPARE else None
    return config


_given = env.str("DATABASE_URL", default="")
DATABASE_URL = _given or paths.database_url(paths.APP_ROLE)
DATABASE_OWNER_URL = (
    env.str("DATABASE_OWNER_URL", default="") or _given or paths.database_url(paths.OWNER_ROLE)
)
DATABASES = {
    # The application: no right to change or delete a row of the books.
    "default": database(DATABASE_URL),
    # The owner of the tables: migrations and nothing else.
    "owner": {**database(DATABASE_OWNER_URL), "TEST": {"MIRROR": "default"}},
}
DB_POOL_MAX_SIZE = env.int("DB_POOL_MAX_SIZE", default=0)
if DB_POOL_MAX_SIZE:
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": DB_POOL_MAX_SIZE,
        "timeout": 5,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="") or paths.redis_url()
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "legato",
    }
}

CELERY_BROKER_URL = paths.celery_url(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_RETRY_ON_WORKER_LOST = True
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"payments.process_webhook": {"queue": "webhooks"}}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "global_keyprefix": "legato:",
    # A web request that wakes a worker must not hang when the broker is away.
    "socket_connect_timeout": 1,
    "socket_timeout": 5,
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(paths.state_dir() / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "publish-events": {"task": "payments.publish_events", "schedule": 5.0},
    "sweep": {"task": "payments.sweep", "schedule": 30.0},
    "seal": {"task": "payments.seal", "schedule": 5.0},
    "refresh-rates": {"task": "payments.refresh_rates", "schedule": 6 * 3600.0},
    "expire-coins": {"task": "payments.expire_coins", "schedule": crontab(hour=2, minute=30)},
    "collect-settlements": {
        "task": "payments.collect_settlements",
        "schedule": crontab(hour=3, minute=10),
    },
    "reconcile": {"task": "payments.reconcile", "schedule": crontab(hour=4, minute=0)},
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT: Path | None = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "legato_payments" / "backoffice" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["legato_payments.lib.api.auth.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["legato_payments.lib.api.permissions.DeclaredAccess"],
    "DEFAULT_PARSER_CLASSES": ["legato_payments.lib.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "legato_payments.lib.api.pagination.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "legato_payments.lib.api.errors.problem_response",
    "UNAUTHENTICATED_USER": None,
    # Our ?format= names the form of a report, not a renderer.
    "URL_FORMAT_OVERRIDE": None,
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Legato Payments",
    "DESCRIPTION": "Coins, money and rights of the Legato web-fiction platform.",
    "VERSION": "1.0.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["legato_payments.lib.api.permissions.Anyone"],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "TransactionStatusEnum": "payments.api.serializers.TRANSACTION_STATUSES",
        "PurchaseStatusEnum": "payments.api.serializers.PURCHASE_STATUSES",
        "TransactionTypeEnum": "payments.api.serializers.TRANSACTION_TYPES",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "legato_payments.lib.api.openapi.add_problems",
    ],
}

# Tokens of the platform's user service (lib.api.auth).
JWT_ISSUER = env.str("JWT_ISSUER", default="https://users.legato.example")
JWT_AUDIENCE = env.str("JWT_AUDIENCE", default="legato-payments")
JWT_JWKS_URL = env.str("JWT_JWKS_URL", default="")
JWT_PUBLIC_KEYS = env.str("JWT_PUBLIC_KEYS", default="", multiline=True)
"""One or more PEM public keys, one after the other; used when there is no JWKS URL."""
JWT_REQUIRE_AT_TYP = env.bool("JWT_REQUIRE_AT_TYP", default=False)
JWT_SIGNING_KEY_FILE: Path | None = None
"""A private key that ``issue_token`` signs with. Local and test settings only."""

# Encrypted fields (lib.crypto): "1:<base64 of 32 bytes>,2:<...>"; the highest number encrypts.
FIELD_KEYS = env.str("FIELD_KEYS", default="")

# Money in.
GATEWAY_SANDBOX = env.bool("GATEWAY_SANDBOX", default=False)
SANDBOX_WEBHOOK_SECRET = env.str("SANDBOX_WEBHOOK_SECRET", default="")
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_PUBLISHABLE_KEY = env.str("STRIPE_PUBLISHABLE_KEY", default="")
STRIPE_WEBHOOK_SECRETS: list[str] = env.list("STRIPE_WEBHOOK_SECRETS", default=[])
"""Every one is tried: two while a secret is rolled."""
STRIPE_ACCOUNT_ID = env.str("STRIPE_ACCOUNT_ID", default="")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="https://api.stripe.com")
STRIPE_API_VERSION = "2026-05-27.dahlia"
"""What our requests, and the parsers of the answers, are written for."""
STRIPE_CHECKOUT = env.str("STRIPE_CHECKOUT", default="hosted")
"""``hosted``: the reader pays on Stripe's page; ``inline``: on ours, with a client secret."""
PAYSTACK_SECRET_KEY = env.str("PAYSTACK_SECRET_KEY", default="")
PAYSTACK_OLD_SECRET_KEY = env.str("PAYSTACK_OLD_SECRET_KEY", default="")
"""Still signs webhooks for a while after the key was changed."""
PAYSTACK_PUBLIC_KEY = env.str("PAYSTACK_PUBLIC_KEY", default="")
PAYSTACK_API_BASE = env.str("PAYSTACK_API_BASE", default="https://api.paystack.co")
PAYSTACK_WEBHOOK_ADDRESSES: list[str] = env.list(
    "PAYSTACK_WEBHOOK_ADDRESSES", default=["52.31.139.75", "52.49.173.169", "52.214.14.220"]
)
"""Where Paystack sends from (its documentation); a second layer behind the signature."""
RETURN_URL_ORIGINS: list[str] = env.list("RETURN_URL_ORIGINS", default=[])
RATE_PROVIDER = env.str("RATE_PROVIDER", default="fixed")
RATE_FILE = env.str("RATE_FILE", default="")
OPENEXCHANGERATES_APP_ID = env.str("OPENEXCHANGERATES_APP_ID", default="")
TAX_PROVIDER = env.str("TAX_PROVIDER", default="rules")
COUNTRY_HEADER = env.str("COUNTRY_HEADER", default="")
"""The header in which our own proxy says the country of an address, for example CF-IPCountry."""

CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/api/.*$"

# "quota/seconds" per class of requests (lib.throttling.policies); RATE_LIMITS replaces some:
# "read=1200/60,money=30/60".
RATE_LIMITS_ENABLED = env.bool("RATE_LIMITS_ENABLED", default=True)
RATE_LIMITS: dict[str, str] = {
    "read": "600/60",
    "write": "120/60",
    "money": "60/60",
    "service": "6000/60",
    "anonymous": "120/60",
    "webhook": "3000/60",
    "address": "3000/60",
    **dict(pair.partition("=")[::2] for pair in env.list("RATE_LIMITS", default=[])),
}
TRUSTED_PROXIES: list[str] = env.list("TRUSTED_PROXIES", default=[])
"""Addresses or networks whose ``X-Forwarded-For`` is believed; ``unix`` for our unix socket."""

# /readyz shows details, and /metrics itself, to these addresses only.
INTERNAL_ADDRESSES: list[str] = env.list("INTERNAL_ADDRESSES", default=["127.0.0.1", "::1"])
METRICS_CACHE_SECONDS = 5
"""How long one process reuses the figures of /metrics that it read from the database."""

LOG_JSON = env.bool("LOG_JSON", default=True)
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING_CONFIG = "legato_payments.lib.logging.configure"
SENTRY_DSN = env.str("SENTRY_DSN", default="")

AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},  # PCI DSS 4.0.1, 8.3.6
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
LOGIN_REDIRECT_URL = "/" + ADMIN_PATH
SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "object-src": ["'none'"],
    }
}

# The theme of the back office; a dotted path is a function that it calls with the request.
UNFOLD = {
    "SITE_TITLE": "Legato Payments",
    "SITE_HEADER": "Legato Payments",
    "SITE_SUBHEADER": "Back office",
    "SITE_SYMBOL": "toll",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": "legato_payments.backoffice.assets.favicon",
        }
    ],
    "STYLES": ["legato_payments.backoffice.assets.style"],
    "SCRIPTS": ["legato_payments.backoffice.assets.script"],
    "ENVIRONMENT": "legato_payments.backoffice.assets.environment",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "SIDEBAR": {"navigation": "legato_payments.backoffice.sidebar.navigation"},
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)",
            "500": "oklch(70.4% .14 182.503)",
            "600": "oklch(51.1% .096 186.391)",
            "700": "oklch(43.7% .078 188.216)",
            "800": "oklch(38.6% .063 188.416)",
            "900": "oklch(32% .05 188.9)",
            "950": "oklch(27.7% .046 192.524)",
        }
    },
}
