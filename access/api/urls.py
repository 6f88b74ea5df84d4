"""Routes below /api/v1/access."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from access.api.catalogue import ContentViewSet
from access.api.users import UserAccessViewSet

router = SimpleRouter(trailing_slash=False)
router.register("users", UserAccessViewSet, basename="user-access")
router.register("content", ContentViewSet, basename="content")

urlpatterns = [
    path("content", ContentViewSet.as_view({"put": "bulk_update"}), name="content-bulk"),
    *router.urls,
]
