"""Changing the settings file in an operator's place."""

from __future__ import annotations

from typing import Any

from tactful.errors import InvalidInput, SettingsError
from tactful_workbench.admin.deployment import Deployment
from tactful_workbench.settings.editing import with_values


async def change(product: Deployment, section: str, values: dict[str, Any]) -> None:
    """Write values into a section of the settings file, and tell everybody. Raises InvalidInput (`invalid_settings`)."""
    file = product.settings
    try:
        file.write(with_values(file.text(), section, values))
    except SettingsError as error:
        raise InvalidInput("invalid_settings", str(error)) from None
    await file.tell(product.log, product.clock, "")
