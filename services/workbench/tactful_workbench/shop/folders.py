"""Where the shop's own rules and templates are: beside whoever runs, a service or a command. They need not be there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

RULES: Final = Path("rules")
TEMPLATES: Final = Path("templates")
