"""Routes below /api/v1/access."""

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from access.api.catalogue import ContentViewSet
from access.api.insights import AnalyticsViewSet
from access.api.refunds import CoinGiftViewSet
from access.api.users import UserAccessViewSet
from legato_payments.lib.ids import EXTERNAL_ID

router = SimpleRouter(trailing_slash=False)
router.register("users", UserAccessViewSet, basename="user-access")
router.register("content", ContentViewSet, basename="content")

urlpatterns = [
    path("content", ContentViewSet.as_view({"put": "bulk_update"}), name="content-bulk"),
    re_path(
        rf"^content/(?P<content_id>{EXTERNAL_ID})/analytics\Z",
        AnalyticsViewSet.as_view({"get": "analytics"}),
        name="content-analytics",
    ),
    re_path(
        rf"^users/(?P<user_id>{EXTERNAL_ID})/coin-gifts\Z",
        CoinGiftViewSet.as_view({"post": "send"}),
        name="coin-gifts",
    ),
    *router.urls,
]
