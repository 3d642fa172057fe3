"""`<data>/settings.toml`: written once with the defaults of its size, read at start and on save, told to the log when it changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import copymode
from typing import Final

from tactful.clock import Clock
from tactful.errors import InvalidInput, SettingsError
from tactful.identity import digest
from tactful.log import Log
from tactful.log.broadcasting import broadcast
from tactful.records import DISPATCH, EVENTS
from tactful.rules import Rule
from tactful.settings import RuleSettings, Settings, line_of, parse, settings_from_log
from tactful_trigger.store import TriggerStore
from tactful_workbench.settings.unheard import check_usable

DEV_MARK: Final = "# Settings of `tactful dev`."
DEV: Final = f"""\
{DEV_MARK} Saved changes take effect at once. Every rule is live and for everybody, but for what is said of it here.
[shop]
name = "Sample shop"
timezone = "Europe/Madrid"

[rules.abandoned_cart]
mode = "live"          # live, shadow or off
sms = true             # the ladder's last rung
sms_min_value = 0

[hours]
marketing = "09:00-21:00"

[sending]
mode = "live"          # every channel is the inbox: nothing leaves this machine
"""

SHOP: Final = """\
# Settings of one shop. Saved changes take effect at once. Every value has a default; see docs/reference/settings.md.
[shop]
name = "My shop"
timezone = "Europe/Madrid"
locale = "en"
country = "ES"
currency = "EUR"
sender = "My shop <hello@shop.example>"
reply_to = "hello@shop.example"
postal_address = "My shop, 1 Market Street, Madrid"
url = "https://shop.example"               # the front page, where buttons lead
public_url = "http://127.0.0.1:8080"       # ours: links in messages lead here first

# In shadow a rule decides everything and writes to nobody; `tactful rules rollout abandoned_cart 5%` is the next step.
[rules.abandoned_cart]
mode = "shadow"

[rules.missed_order]
mode = "shadow"

[rules.churn_risk]
mode = "shadow"

[rules.complaint_followup]
mode = "shadow"

[rules.tell_desk]
mode = "live"          # what customers answer reaches [shop] reply_to

[rules.canary]
mode = "live"          # what `tactful smoke` asks for

# With `allowlist` nobody outside the list is written to; `tactful sending live` opens it to everybody who consents.
[sending]
mode = "allowlist"
allow = []             # for example ["*@myshop.example"]
"""


async def known_settings(trigger: TriggerStore, partitions: int) -> str:
    """What every partition was told last (JSON); "" if they differ."""
    cursors = [await trigger.cursor(partition) for partition in range(partitions)]
    known = {cursor.settings if cursor else "" for cursor in cursors}
    return known.pop() if len(known) == 1 else ""


async def settings_believed(trigger: TriggerStore, partitions: int) -> str:
    """What most partitions were told last (JSON); "" if none was told anything."""
    cursors = [await trigger.cursor(partition) for partition in range(partitions)]
    said = Counter(cursor.settings for cursor in cursors if cursor is not None and cursor.settings)
    return max(said, key=lambda text: said[text], default="")


def text_of(file: Path) -> str:
    """As editors save it, with a mark at its beginning or without. Raises SettingsError that names the file and the mend."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsError(f"{file}:{line}: this is not UTF-8; save the file in that encoding") from None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read ({error.strerror}); it has to be a file that we may read") from None


class SettingsFile:
    """The file of one data folder. `latest` is what was told last. `rules`: whose terms it may override."""

    def __init__(self, data: Path, first: str, rules: Callable[[], Sequence[Rule]] = tuple) -> None:
        self.path, self._first, self._rules = data / "settings.toml", first, rules
        self.latest = Settings()
        self._seen, self._saved = "", (0, 0, 0)

    def read(self) -> Settings:
        """Write the file if it is missing; raises SettingsError naming file, line and mend."""
        return parse(self.text(), str(self.path))

    def as_saved(self, rules: Sequence[Rule]) -> Settings:
        """What the file says now, for a process that reads no broadcasts; what it said before if it is broken, or of no use to a rule."""
        with suppress(OSError, SettingsError):
            stat = self.path.stat()
            saved = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if saved != self._saved:
                self._saved = saved
                self.latest = self._checked(self.text(), rules)
        return self.latest

    def fault(self) -> str:
        """What is wrong with the file as it stands; "" if nothing is."""
        try:
            self._checked(self.text(), self._rules())
        except SettingsError as error:
            return str(error)
        return ""

    def write(self, text: str) -> None:
        """Replace the file once its new text has been checked. Raises SettingsError if it is wrong, or not ours to change."""
        self._checked(text, self._rules())
        place = self.path.resolve()  # a link stays one: people go on changing the file that it names
        temporary = place.with_suffix(".new")
        try:
            temporary.write_text(text, encoding="utf-8")
            if place.exists():
                copymode(place, temporary)
            temporary.replace(place)
        except OSError as error:
            raise SettingsError(
                f"{self.path} cannot be changed from here ({error.strerror}); change it where it comes from, on Kubernetes "
                "settings.toml of the overlay, and let `tactful setup` tell everybody"
            ) from None

    async def tell(self, log: Log, clock: Clock, known: str) -> bool:
        """Append `Settings Changed` to every partition if the file says something else than `known` (JSON). Raises SettingsError
        if it is wrong, LogUnavailable if not everybody could be told: then nothing changes here."""
        settings = self._checked(self.text(), self._rules())
        text = settings.model_dump_json()
        if is_news := text not in (known, self._seen):
            self._seen = ""  # where telling it fails, some may have heard, and it is told again
            now = clock.now()
            id = digest("settings", text, str(now))
            await broadcast(log, (DISPATCH, EVENTS), id, "Settings Changed", text.encode(), now)
        self._seen, self.latest = text, settings
        return is_news

    async def begin(self, log: Log, clock: Clock, trigger: TriggerStore, believing: bool) -> None:
        """Tell what is new. `believing`: for a command, which has to do something else: where the file is wrong, what was told last
        counts, as for everybody. Raises SettingsError if that may not be, or nothing was."""
        try:
            await self.tell(log, clock, await known_settings(trigger, log.partitions))
        except SettingsError:
            believed = await settings_believed(trigger, log.partitions) if believing else ""
            if not believed:
                raise
            self.latest = settings_from_log(believed)

    def text(self) -> str:
        """What stands in the file, which is written if it is missing. Raises SettingsError if it is no text, cannot be written, or is
        empty: that is what an editor leaves on a full disk, or halfway through saving."""
        if not self.path.exists():
            try:
                self.path.write_text(self._first, encoding="utf-8")
            except OSError as error:
                raise SettingsError(
                    f"{self.path} is not there and cannot be made ({error.strerror}); put it there"
                ) from None
        text = text_of(self.path)
        if not text.strip():
            raise SettingsError(
                f"{self.path} is empty: every rule would fall back into shadow. Put back what stood there; where the file is "
                "missing, a first one is written"
            )
        return text

    def _checked(self, text: str, rules: Sequence[Rule]) -> Settings:
        """Raises SettingsError, also for terms that a rule cannot have, which trigger would refuse and all others take, and for
        parameters that every run would fail for."""
        settings = parse(text, str(self.path))
        if self._first == DEV:
            settings = _all_live(settings, rules)
        for rule in rules:
            parameters = settings.rule(rule.name).parameters
            try:
                rule.under(parameters)
                check_usable(parameters, rule)
            except InvalidInput as error:
                line = line_of(["rules", rule.name, error.field or ""], text)
                raise SettingsError(
                    f"{self.path}:{line}: [rules.{rule.name}] {error.message}. Nothing was changed."
                ) from None
        return settings


def _all_live(settings: Settings, rules: Sequence[Rule]) -> Settings:
    """A rule that was written a minute ago writes to the inbox, without a word about it in the file."""
    said = {rule.name: settings.rule(rule.name).model_dump(exclude_unset=True) for rule in rules}
    live = {name: RuleSettings.model_validate({"mode": "live", "holdout": 0.0, **own}) for name, own in said.items()}
    return settings.model_copy(update={"rules": {**settings.rules, **live}})
