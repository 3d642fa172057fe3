"""What customers do in a shop: Segment's e-commerce vocabulary, version 2, with the names of version 1 as aliases.

Source: Segment, "Spec: V2 Ecommerce Events". Product fields stand flat on the events about one product.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from tactful.events.model import Event, Money

_FIRST_VERSION: Final = {"id": "product_id"}  # what version 1 called it
_FAULTS: Final = frozenset({"fault", "faulty", "defect", "defective", "damaged", "broken", "wrong item"})


class Product(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One product, or one line of a cart or an order."""

    spellings: ClassVar[Mapping[str, str]] = _FIRST_VERSION

    product_id: str = ""
    sku: str = ""
    category: str = ""
    name: str = ""
    brand: str = ""
    variant: str = ""
    price: Money | None = None  # of one piece
    quantity: int = 1
    coupon: str = ""
    position: int = 0
    url: str = ""
    image_url: str = ""


class Act(Event, frozen=True, kw_only=True):
    """Something the customer did."""

    act: ClassVar[bool] = True


class ProductEvent(Act, frozen=True, kw_only=True):
    """An act about one product."""

    spellings: ClassVar[Mapping[str, str]] = _FIRST_VERSION

    product_id: str = ""
    sku: str = ""
    category: str = ""
    name: str = ""
    brand: str = ""
    variant: str = ""
    price: Money | None = None
    quantity: int = 1
    coupon: str = ""
    position: int = 0
    url: str = ""
    image_url: str = ""
    currency: str = ""
    value: Money | None = None

    @property
    def product(self) -> Product:
        """The product fields by themselves."""
        return Product(**{field: getattr(self, field) for field in Product.__struct_fields__})


class ListEvent(Act, frozen=True, kw_only=True):
    """An act about a list of products."""

    list_id: str = ""
    category: str = ""
    products: tuple[Product, ...] = ()
    filters: tuple[dict[str, Any], ...] = ()
    sorts: tuple[dict[str, Any], ...] = ()


class PromotionEvent(Act, frozen=True, kw_only=True):
    """An act about a promotion on the site."""

    promotion_id: str = ""
    creative: str = ""
    name: str = ""
    position: str = ""


class CartEvent(Act, frozen=True, kw_only=True):
    """An act about the whole cart."""

    cart_id: str = ""
    currency: str = ""
    value: Money | None = None
    products: tuple[Product, ...] = ()


class OrderFields(Event, frozen=True, kw_only=True):
    """What events about an order or a checkout carry. A checkout has no cart_id."""

    checkout_id: str = ""
    order_id: str = ""
    affiliation: str = ""
    channel: str = ""  # "store" for a till
    currency: str = ""
    value: Money | None = None
    subtotal: Money | None = None
    total: Money | None = None
    revenue: Money | None = None
    shipping: Money | None = None
    tax: Money | None = None
    discount: Money | None = None
    coupon: str = ""
    products: tuple[Product, ...] = ()

    @property
    def amount(self) -> Money | None:
        """What is paid, by whichever of its names the shop tells it."""
        return self.total or self.revenue or self.value


class CheckoutStepEvent(Act, frozen=True, kw_only=True):
    """An act on one step of the checkout."""

    checkout_id: str = ""
    order_id: str = ""
    step: int = 0
    shipping_method: str = ""
    payment_method: str = ""


class CouponEvent(Act, frozen=True, kw_only=True):
    """An act with a coupon."""

    order_id: str = ""
    cart_id: str = ""
    coupon_id: str = ""
    coupon_name: str = ""
    currency: str = ""
    discount: Money | None = None
    reason: str = ""


class WishlistEvent(ProductEvent, frozen=True, kw_only=True):
    """An act with the wish list."""

    wishlist_id: str = ""
    wishlist_name: str = ""
    cart_id: str = ""


class ProductsSearched(Act, frozen=True, kw_only=True):
    """The customer searched."""

    query: str = ""


class ProductListViewed(ListEvent, frozen=True, kw_only=True):
    """The customer looked at a list or a category."""

    aliases: ClassVar[tuple[str, ...]] = ("Viewed Product Category", "Viewed Product List")


class ProductListFiltered(ListEvent, frozen=True, kw_only=True):
    """The customer filtered a list."""

    aliases: ClassVar[tuple[str, ...]] = ("Filtered Product List",)


class PromotionViewed(PromotionEvent, frozen=True, kw_only=True):
    """The customer saw a promotion."""

    aliases: ClassVar[tuple[str, ...]] = ("Viewed Promotion",)


class PromotionClicked(PromotionEvent, frozen=True, kw_only=True):
    """The customer clicked a promotion."""

    aliases: ClassVar[tuple[str, ...]] = ("Clicked Promotion",)


class ProductClicked(ProductEvent, frozen=True, kw_only=True):
    """The customer clicked a product."""

    aliases: ClassVar[tuple[str, ...]] = ("Clicked Product",)


class ProductViewed(ProductEvent, frozen=True, kw_only=True):
    """The customer looked at a product."""

    aliases: ClassVar[tuple[str, ...]] = ("Viewed Product",)


class ProductAdded(ProductEvent, frozen=True, kw_only=True):
    """The customer put a product into the cart."""

    aliases: ClassVar[tuple[str, ...]] = ("Added Product",)
    cart_id: str = ""


class ProductRemoved(ProductEvent, frozen=True, kw_only=True):
    """The customer took a product out of the cart: so many pieces, or the whole line."""

    aliases: ClassVar[tuple[str, ...]] = ("Removed Product",)
    cart_id: str = ""
    quantity: int = 0  # 0 where it is not told: the whole line


class CartViewed(CartEvent, frozen=True, kw_only=True):
    """The customer looked at the cart."""

    aliases: ClassVar[tuple[str, ...]] = ("Viewed Cart",)


class CheckoutStarted(OrderFields, frozen=True, kw_only=True):
    """The customer began to check out."""

    act: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("Started Order", "Started Checkout")


class CheckoutStepViewed(CheckoutStepEvent, frozen=True, kw_only=True):
    """The customer saw a step of the checkout."""

    aliases: ClassVar[tuple[str, ...]] = ("Viewed Checkout Step",)


class CheckoutStepCompleted(CheckoutStepEvent, frozen=True, kw_only=True):
    """The customer completed a step of the checkout."""

    aliases: ClassVar[tuple[str, ...]] = ("Completed Checkout Step",)


class PaymentInfoEntered(CheckoutStepEvent, frozen=True, kw_only=True):
    """The customer entered how to pay."""

    aliases: ClassVar[tuple[str, ...]] = ("Entered Payment Info",)


class OrderUpdated(OrderFields, frozen=True, kw_only=True):
    """An order changed."""

    aliases: ClassVar[tuple[str, ...]] = ("Updated Order",)


class OrderCompleted(OrderFields, frozen=True, kw_only=True):
    """The customer ordered, on any channel."""

    act: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("Completed Order",)


class OrderCancelled(OrderFields, frozen=True, kw_only=True):
    """An order was cancelled."""

    aliases: ClassVar[tuple[str, ...]] = ("Cancelled Order",)


class OrderRefunded(OrderFields, frozen=True, kw_only=True):
    """An order was refunded, whole or in part. `reason` is ours: Segment's event has none."""

    aliases: ClassVar[tuple[str, ...]] = ("Refunded Order",)
    reason: str = ""

    @property
    def ticket_id(self) -> str:
        """Under which a return for a fault is a complaint; "" for any other refund."""
        return f"return-{self.order_id or self.meta.id}" if self.reason.strip().lower() in _FAULTS else ""


class CouponEntered(CouponEvent, frozen=True, kw_only=True):
    """The customer entered a coupon."""

    aliases: ClassVar[tuple[str, ...]] = ("Entered Coupon",)


class CouponApplied(CouponEvent, frozen=True, kw_only=True):
    """A coupon was applied."""

    aliases: ClassVar[tuple[str, ...]] = ("Applied Coupon",)


class CouponDenied(CouponEvent, frozen=True, kw_only=True):
    """A coupon was refused."""

    aliases: ClassVar[tuple[str, ...]] = ("Denied Coupon",)


class CouponRemoved(CouponEvent, frozen=True, kw_only=True):
    """The customer took a coupon away."""

    aliases: ClassVar[tuple[str, ...]] = ("Removed Coupon",)


class ProductAddedToWishlist(WishlistEvent, frozen=True, kw_only=True):
    """The customer wishes for a product."""

    title: ClassVar[str] = "Product Added to Wishlist"
    aliases: ClassVar[tuple[str, ...]] = ("Added Product to Wishlist",)


class ProductRemovedFromWishlist(WishlistEvent, frozen=True, kw_only=True):
    """The customer wishes for it no more."""

    title: ClassVar[str] = "Product Removed from Wishlist"
    aliases: ClassVar[tuple[str, ...]] = ("Removed Product from Wishlist",)


class WishlistProductAddedToCart(WishlistEvent, frozen=True, kw_only=True):
    """The customer moved a wish into the cart."""

    title: ClassVar[str] = "Wishlist Product Added to Cart"
    aliases: ClassVar[tuple[str, ...]] = ("Wishlist Product Added", "Added Wishlist Product to Cart")


class ProductShared(ProductEvent, frozen=True, kw_only=True):
    """The customer showed a product to somebody."""

    aliases: ClassVar[tuple[str, ...]] = ("Shared Product",)
    share_via: str = ""
    share_message: str = ""
    recipient: str = ""


class CartShared(CartEvent, frozen=True, kw_only=True):
    """The customer showed the cart to somebody."""

    aliases: ClassVar[tuple[str, ...]] = ("Shared Cart",)
    share_via: str = ""
    share_message: str = ""
    recipient: str = ""


class ProductReviewed(Act, frozen=True, kw_only=True):
    """The customer wrote a review."""

    aliases: ClassVar[tuple[str, ...]] = ("Reviewed Product",)
    product_id: str = ""
    review_id: str = ""
    review_body: str = ""
    rating: float = 0.0  # of five; 0 for none

    @property
    def ticket_id(self) -> str:
        """Under which one or two stars are a complaint; "" for any other review."""
        return f"review-{self.review_id or self.meta.id}" if 0 < self.rating <= 2 else ""

    @property
    def takes_back(self) -> str:
        """The complaint that it was, if it is written anew with more stars; "" for any other review."""
        return f"review-{self.review_id}" if self.review_id and self.rating > 2 else ""
