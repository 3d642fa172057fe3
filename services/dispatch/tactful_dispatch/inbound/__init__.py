"""What comes back: reports of failed delivery and of spam, replies, texts, and words from the shop's own systems."""

from tactful_dispatch.inbound.contact import create_contact
from tactful_dispatch.inbound.mail import create_inbound
from tactful_dispatch.inbound.sms import create_sms

__all__ = ["create_contact", "create_inbound", "create_sms"]
