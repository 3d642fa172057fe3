"""The pages that a shop's customers see behind signed links: no login, no JavaScript, nothing loaded from elsewhere.

A link in a message is followed by people, scanners and mail proxies alike, so a GET changes nothing but receipts.
"""

from tactful_dispatch.public.routes import create_public

__all__ = ["create_public"]
