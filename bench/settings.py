"""Settings of a benchmark run: the local ones, on servers of its own, with every feature on."""

from legato_payments.settings.local import *

LOG_LEVEL = "WARNING"
ROOT_URLCONF = "bench.urls"
ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
# Quotas no run reaches: limiting is on and asks Redis each time, but refuses nobody.
RATE_LIMITS = dict.fromkeys(RATE_LIMITS, "50000000/60")
