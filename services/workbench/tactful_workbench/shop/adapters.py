"""Which adapters a shop has, from what it has configured."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tactful.channels import DESK
from tactful.clock import Clock
from tactful_dispatch.channels import Adapter
from tactful_dispatch.channels.mailserver import mail_server
from tactful_dispatch.channels.sms import SmsAdapter
from tactful_dispatch.channels.smsgateway import sms_gateway
from tactful_dispatch.channels.smtp import SmtpAdapter
from tactful_dispatch.channels.webhook import WebhookAdapter


def shop_adapters(
    smtp: str, sms: str, webhook_key: bytes, clock: Clock, public_url: Callable[[], str]
) -> Mapping[str, Adapter]:
    """The adapter of each channel; `smtp` and `sms` are URLs, "" for none. Raises SettingsError for a URL that is wrong."""
    adapters: dict[str, Adapter] = {"webhook": WebhookAdapter(webhook_key, clock)}
    if smtp:
        adapters["email"] = adapters[DESK] = SmtpAdapter(mail_server(smtp), clock)
    if sms:
        adapters["sms"] = SmsAdapter(sms_gateway(sms), public_url)
    return adapters
