"""A small online shop: pages, an interface for its orders, and customers who buy. ``python -m shop.site`` opens it."""
