"""What comes back by e-mail: reports of failed delivery, reports of spam, replies."""

from tactful_dispatch.inbound.routes import create_inbound

__all__ = ["create_inbound"]
