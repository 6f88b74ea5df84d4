"""Routes below /api/v1/revenue."""

from rest_framework.routers import SimpleRouter

from revenue.api.views import ContentPurchaseViewSet, WriterViewSet

router = SimpleRouter(trailing_slash=False)
router.register("writers", WriterViewSet, basename="writers")
router.register("content-purchase", ContentPurchaseViewSet, basename="content-purchase")

urlpatterns = router.urls
