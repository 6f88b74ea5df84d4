"""One machine, embedded servers, no keys needed: what ``make up`` runs."""

from legato_payments.local import keys
from legato_payments.settings.base import *

PORT = env.int("PORT", default=8005)
PUBLIC_URL = env.str("PUBLIC_URL", default=f"http://127.0.0.1:{PORT}")
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = SECRET_KEY or keys.text("secret_key")
FIELD_KEYS = FIELD_KEYS or keys.field_key_ring()
ALLOWED_HOSTS = ALLOWED_HOSTS or ["127.0.0.1", "localhost", "[::1]"]
GATEWAY_SANDBOX = env.bool("GATEWAY_SANDBOX", default=True)
SANDBOX_WEBHOOK_SECRET = SANDBOX_WEBHOOK_SECRET or keys.text("sandbox_webhook_secret")
RETURN_URL_ORIGINS = RETURN_URL_ORIGINS or [PUBLIC_URL, f"http://localhost:{PORT}"]
JWT_SIGNING_KEY_FILE = None if JWT_JWKS_URL or JWT_PUBLIC_KEYS else keys.signing_key_file()
LOG_JSON = env.bool("LOG_JSON", default=False)
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Served from the apps themselves: nothing needs collecting.
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
