"""Every address of the service."""

from csp.decorators import csp_update
from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from access.admin import trace as trace_page
from access.api.insights import SpendingViewSet
from access.api.refunds import RefundViewSet
from access.api.trace import TraceViewSet
from access.api.users import UserAccessViewSet
from legato_payments.lib import health, metrics_view
from legato_payments.lib.api import errors
from legato_payments.lib.ids import EXTERNAL_ID
from payments.api.checkout_urls import checkout_urls
from payments.api.events import EventViewSet
from payments.api.packages import UUID_PATH

# Swagger UI brings its own style element. Its script is a request of its own, so none is inline.
_docs = csp_update({"style-src": ["'self'", "'unsafe-inline'"]})(
    SpectacularSwaggerSplitView.as_view(url_name="schema")
)

urlpatterns = [
    path(
        f"{settings.ADMIN_PATH}trace/<uuid:transaction_id>/",
        admin.site.admin_view(trace_page.page),
        name="admin-trace",
    ),
    path(settings.ADMIN_PATH, admin.site.urls),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("healthz", health.readyz, name="healthz"),
    path("metrics", metrics_view.metrics, name="metrics"),
    path("", include("legato_payments.lib.api.problems")),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", _docs, name="docs"),
    # Spending coins touches chapters and writers, and so does looking at what was spent, hence the
    # views stand in ``access``; their callers expect them below /payments too.
    re_path(
        rf"^api/v1/payments/users/(?P<user_id>{EXTERNAL_ID})/spend-coins\Z",
        UserAccessViewSet.as_view({"post": "spend_coins"}),
        name="spend-coins",
    ),
    re_path(
        rf"^api/v1/payments/users/(?P<user_id>{EXTERNAL_ID})/send-tip\Z",
        UserAccessViewSet.as_view({"post": "tip"}),
        name="send-tip",
    ),
    re_path(
        rf"^api/v1/payments/users/(?P<user_id>{EXTERNAL_ID})/spending-analytics\Z",
        SpendingViewSet.as_view({"get": "month"}),
        name="spending-analytics",
    ),
    path("api/v1/events", EventViewSet.as_view({"get": "read"}), name="events"),
    re_path(
        rf"^api/v1/payments/transactions/(?P<transaction_id>{UUID_PATH})/trace\Z",
        TraceViewSet.as_view({"get": "follow"}),
        name="trace",
    ),
    re_path(
        rf"^api/v1/payments/transactions/(?P<transaction_id>{UUID_PATH})/refund\Z",
        RefundViewSet.as_view({"get": "preview", "post": "refund"}),
        name="refund",
    ),
    path("sandbox/", include(checkout_urls)),
    path("api/v1/payments/", include("payments.api.urls")),
    path("api/v1/revenue/", include("revenue.api.urls")),
    path("api/v1/access/", include("access.api.urls")),
    # Last: whatever nothing above takes is answered as the API answers, whatever the method.
    path("api", errors.unknown_endpoint),
    re_path(r"^api/", errors.unknown_endpoint),
]

handler400 = errors.handler400
handler403 = errors.handler403
handler404 = errors.handler404
handler500 = errors.handler500
