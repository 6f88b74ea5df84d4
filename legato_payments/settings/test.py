"""The test run: throwaway servers, one database and one Redis prefix per xdist worker."""

import os
import secrets
import tempfile
from pathlib import Path

# pytest-django imports settings before conftest.py, so the run folder is named here and made there.
# The first importer is the controller, and the workers inherit its environment.
if "LEGATO_RUN_DIR" not in os.environ:
    folder = f"legato-test-{os.getpid()}-{secrets.token_hex(4)}"
    os.environ["LEGATO_RUN_DIR"] = str(Path(tempfile.gettempdir()) / folder)

from legato_payments.local import keys
from legato_payments.settings import base
from legato_payments.settings.base import *

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
TEST_DATABASE = f"legato_{WORKER}"
DATABASES["default"]["NAME"] = TEST_DATABASE
DATABASES["owner"]["NAME"] = TEST_DATABASE
CACHES["default"]["KEY_PREFIX"] = f"legato-test-{WORKER}"

SECRET_KEY = "test-only-" + "x" * 50
FIELD_KEYS = keys.TEST_FIELD_KEYS
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
GATEWAY_SANDBOX = True
# Those that are about limits switch them on; the others never meet one.
RATE_LIMITS_ENABLED = False
METRICS_CACHE_SECONDS = 0
SANDBOX_WEBHOOK_SECRET = "sandbox-webhook-secret-for-tests-only"
RETURN_URL_ORIGINS = ["https://legato.example"]
JWT_SIGNING_KEY_FILE = Path(os.environ["LEGATO_RUN_DIR"]) / "jwt_signing_key.pem"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Served from the apps themselves: nothing needs collecting.
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"] = f"legato-test-{WORKER}:"

# Real test keys are for tests/gateways/test_real_mode.py alone; all others run without a network.
REAL_STRIPE_KEY, REAL_PAYSTACK_KEY = (
    key if key.startswith("sk_test_") else ""
    for key in (base.STRIPE_SECRET_KEY, base.PAYSTACK_SECRET_KEY)
)
STRIPE_SECRET_KEY = PAYSTACK_SECRET_KEY = ""
