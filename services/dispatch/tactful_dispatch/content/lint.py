"""What is wrong with a content set before anybody gets it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from html.parser import HTMLParser
from typing import Final, Literal, NamedTuple

from tactful.channels import CHANNELS, DESK
from tactful.contrast import READABLE, contrast
from tactful.settings import Shop
from tactful_dispatch.content import Rendered, Rendering, TemplateError
from tactful_dispatch.content.contentset import BRAND, EXAMPLE, LAYOUT, ContentSet, Template
from tactful_dispatch.content.letter import letter
from tactful_dispatch.content.preview import SAMPLE, sample
from tactful_dispatch.content.renderer import ADDRESS, MISLEADING, Renderer, host_of, is_among
from tactful_dispatch.content.smsparts import foreign, parts
from tactful_dispatch.content.tracking import track
from tactful_dispatch.sms_words import Said as Wish
from tactful_dispatch.sms_words import meaning

LARGEST: Final = 102 * 1024  # bytes of HTML: beyond it Gmail cuts a message off, and the way to unsubscribe with it
MOST_PARTS: Final = {"GSM-7": 1, "UCS-2": 2}  # 160 and 134 letters
FEW: Final = 12  # letters that a finding names
SHORT_LINK: Final = "/s/0123456789abcdef"  # as long as those that texts leave with
SUBJECT: Final = 60  # characters that a phone shows
GROUNDS: Final = {
    "accent": "#faf9f7",
    "accent_dark": "#1f2125",
}  # of the layout; a button has its words in nearly the same
_CHANNELS: Final = tuple(f"{channel}." for channel in (*CHANNELS, DESK))
_PLACE: Final = re.compile(r"(?P<file>[^:\s]+):(?P<line>\d+): (?P<message>.*)", re.DOTALL)


Code = Literal[
    "alt_text",
    "broken",
    "contrast",
    "foreign_link",
    "language",
    "markup",
    "name",
    "postal_address",
    "size",
    "sms_parts",
    "subject",
    "taken",
    "unknown_variable",
    "unsubscribe",
]


class Finding(NamedTuple):
    """One thing to mend."""

    file: str
    line: int
    code: Code
    message: str


Sample = tuple[str, str | None]  # a template's file, and one of its variants
Said = Rendered | TemplateError


def lint(
    content: ContentSet, locale: str = "en", said: Mapping[Sample, Said] | None = None, shop: Shop = SAMPLE
) -> list[Finding]:
    """Everything found, in order of file and line. `locale` is the shop's: every channel of a rule must speak it. `said`: what became
    of the `samples`; without it they are rendered here, however long that takes. `shop`: whose name and address they say."""
    renderer = Renderer(content)
    if said is None:
        said = {key: _rendered(renderer, rendering) for key, rendering in samples(content, shop)}
    found = {*_names(content), *_languages(content, locale), *_words(content), *_colours(content), *_logo(content)}
    for file in (LAYOUT, *(template.file for template in content.templates.values())):
        found.update(_foreign(content, file))
    for template in _looked_at(content):
        found.update(_template(content, renderer, template, said, shop))
    return sorted(found)


def samples(content: ContentSet, shop: Shop = SAMPLE) -> Iterator[tuple[Sample, Rendering]]:
    """Each template with its example in each of its variants, as far as there is an example."""
    for template in _looked_at(content):
        for variant in (None, *template.matter.variants):
            with suppress(TemplateError):
                yield (template.file, variant), _sample(content, template, variant, shop)


def _looked_at(content: ContentSet) -> Iterator[Template]:
    """A written text part is looked at together with the HTML it goes with."""
    for (name, channel, language, kind), template in content.templates.items():
        if kind == "html" or (name, channel, language, "html") not in content.templates:
            yield template


def _sample(content: ContentSet, template: Template, variant: str | None, shop: Shop) -> Rendering:
    return sample(content, template.name, template.channel, (template.language,), variant, shop=shop)


def _rendered(renderer: Renderer, rendering: Rendering) -> Said:
    try:
        return renderer.render(rendering)
    except TemplateError as error:
        return error


def _template(
    content: ContentSet, renderer: Renderer, template: Template, said: Mapping[Sample, Said], shop: Shop
) -> Iterator[Finding]:
    """Findings of one file: read without rendering, then with its example in each of its variants."""
    try:
        for variant in (None, *template.matter.variants):
            rendering = _sample(content, template, variant, shop)
            yield from _unknown(renderer, template, rendering)
            if isinstance(rendered := said[template.file, variant], TemplateError):
                raise rendered
            yield from _message(template, rendering, rendered)
            if template.channel == "sms":
                yield from _sms(template, rendering, rendered, shop)
    except TemplateError as error:
        place = _PLACE.fullmatch(str(error))
        if place:
            yield Finding(place["file"], int(place["line"]), "broken", place["message"])
        else:
            yield Finding(template.file, 1, "broken", str(error))


def _unknown(renderer: Renderer, template: Template, rendering: Rendering) -> Iterator[Finding]:
    for name in renderer.unknown_names(template, rendering):
        mend = f"{name} is nowhere: correct it, or give it in {template.name}/example.json"
        yield Finding(template.file, template.line_of(name), "unknown_variable", mend)
    for part in renderer.unknown_parts(template, rendering):
        gone = f"{part} is nowhere, and a block that is given it disappears: correct it"
        yield Finding(template.file, template.line_of(part), "unknown_variable", gone)
    for url in renderer.lost_addresses(template, rendering):
        lost = f"{url} is no address, and a block that is given it disappears: write it like https://shop.example/p1"
        yield Finding(template.file, template.line_of(url), "foreign_link", lost)
    for name in renderer.hidden_names(template, rendering):
        mend = f"{name} is a name of ours, and not what the rule gives by it: write data.{name}"
        yield Finding(template.file, template.line_of(name), "taken", mend)


def _message(template: Template, rendering: Rendering, rendered: Rendered) -> Iterator[Finding]:
    if template.channel == "email":
        yield from _email(template, rendering, rendered)
    else:
        yield from _short(template, rendered)


def _email(template: Template, rendering: Rendering, rendered: Rendered) -> Iterator[Finding]:
    line = template.line_of("subject:")
    if len(rendered.subject) > SUBJECT:
        many = f"the subject has {len(rendered.subject)} characters; shorten it to {SUBJECT}"
        yield Finding(template.file, line, "subject", f'{many}: "{rendered.subject}"')
    if (size := len(rendered.html.encode())) > LARGEST:
        yield Finding(template.file, 1, "size", f"the HTML has {size} bytes; beyond {LARGEST} it is cut off")
    for part, text in (("HTML", letter(rendered.html)), ("text", rendered.text)):
        if rendering.links["unsubscribe"] not in text:
            yield Finding(template.file, 1, "unsubscribe", f"the {part} part has no links.unsubscribe")
        if _flat(rendering.shop["postal_address"]) not in _flat(text):
            yield Finding(template.file, 1, "postal_address", f"the {part} part has no shop.postal_address")
    for picture in _pictures(rendered.html):
        yield Finding(
            template.file, template.line_of("image"), "alt_text", f"{picture} has no words in its place: alt=…"
        )


def _flat(text: str) -> str:
    """On one line: a postal address may be written over several."""
    return " ".join(text.split())


def _short(template: Template, rendered: Rendered) -> Iterator[Finding]:
    if re.search(r"</?[A-Za-z]", rendered.text):
        yield Finding(
            template.file, template.line, "markup", f"{template.channel} shows HTML as it is; write plain text"
        )


def _sms(template: Template, rendering: Rendering, rendered: Rendered, shop: Shop) -> Iterator[Finding]:
    address = rendering.shop["public_url"] if shop is SAMPLE else shop.public_url.rstrip("/")
    sent = track(rendered, lambda index: address + SHORT_LINK, None).text
    count, encoding = parts(sent)
    most = MOST_PARTS[encoding]
    if count > most:
        why = f", for the letters {foreign(sent)[:FEW]}," if encoding == "UCS-2" else ""
        many = f"{len(sent)} characters in {encoding}{why} are {count} parts; shorten it to {most}"
        yield Finding(template.file, template.line, "sms_parts", many)
    ways = (rendering.links["unsubscribe"], rendering.links["mute_rule"])
    answers = (word for word in re.findall(r"\w+", sent) if word.isupper() and meaning(word) is Wish.STOP)
    if not any(answers) and not any(way in sent for way in ways):
        yield Finding(template.file, 1, "unsubscribe", "the text names no way out, e.g. the reply STOP")


def _names(content: ContentSet) -> Iterator[Finding]:
    """A file beside templates that is none, so that nobody gets what it says."""
    read = {
        template.file
        for template in content.templates.values()
        if template.channel in (*CHANNELS, DESK) and (template.channel == "email" or template.kind == "txt")
    }
    for file in content.files.keys() - read - {BRAND, LAYOUT}:
        folder, _, name = file.rpartition("/")
        if not folder and (name.startswith(_CHANNELS) or not name.lower().endswith((".txt", ".json"))):
            whole = f"nothing is made of this file; beside the folders of messages there are {BRAND} and {LAYOUT}"
            yield Finding(file, 1, "name", whole)
        elif folder and name.lower().endswith((".html", ".htm", ".txt")):
            yield Finding(file, 1, "name", "no message is made of this file; call it like email.en.html or sms.en.txt")
        elif folder and name.lower().endswith(".json") and f"{folder}/{EXAMPLE}" not in content.files:
            yield Finding(
                file, 1, "name", f"nothing is made of this file; what a message would show is called {EXAMPLE}"
            )


def _languages(content: ContentSet, locale: str) -> Iterator[Finding]:
    silent = set[tuple[str, str]]()
    for name, channel, language, kind in sorted(content.templates):
        speaks = any(content.choose(name, channel, (locale,), either) for either in ("html", "txt"))
        if not speaks and (name, channel) not in silent:
            silent.add((name, channel))
            missing = f"{name}/{channel}.{locale}.{kind}"
            yield Finding(
                f"{name}/{channel}.{language}.{kind}", 1, "language", f"{missing} is missing: the shop's language"
            )


def _words(content: ContentSet) -> Iterator[Finding]:
    """Where the layout's words are not said in the language of a letter, English ones stand in it; where nobody says them at all, the
    names that programs have for them."""
    known = content.brand.words
    for template in content.templates.values():
        for name in template.matter.uses:
            if not (known.get(template.language, {}).get(name) or known.get("en", {}).get(name)):
                nameless = (
                    f"uses {name}, and brand.yaml has no words.{template.language}.{name} for it: letters say {name}"
                )
                yield Finding(template.file, template.line_of("uses:"), "language", nameless)
    for language in sorted({template.language for template in content.templates.values() if template.kind == "html"}):
        if lacking := sorted(known.get("en", {}).keys() - known.get(language, {}).keys()):
            message = f"words.{language} lacks {', '.join(lacking)}: letters say them in English"
            yield Finding(BRAND, 1, "language", message)


def _colours(content: ContentSet) -> Iterator[Finding]:
    for name, ground in GROUNDS.items():
        colour: str = getattr(content.brand, name)
        try:
            ratio = contrast(colour, ground)
        except ValueError as error:
            yield Finding(BRAND, 1, "contrast", f"{name}: {error}")
            continue
        if ratio < READABLE:
            weak = f"{name} {colour} on {ground} has a contrast of {ratio:.1f}; from {READABLE} on it can be read"
            yield Finding(BRAND, 1, "contrast", weak)


def _logo(content: ContentSet) -> Iterator[Finding]:
    """One that no letter may show is left out of all of them."""
    logo, domains = content.brand.logo.strip(), content.brand.domains
    misleads = MISLEADING.search(logo)
    if not logo or (logo.startswith("/") and not logo.startswith("//") and not misleads):
        return
    host = "" if misleads else host_of(logo)
    if not host:
        yield Finding(BRAND, 1, "foreign_link", f"logo: {logo} is no address; letters show the shop's name instead")
    elif domains and not is_among(host, domains):
        foreign = f"logo: {host} is not among the domains; unless it is the shop's own, letters show its name instead"
        yield Finding(BRAND, 1, "foreign_link", foreign)


def _foreign(content: ContentSet, file: str) -> Iterator[Finding]:
    """Addresses written into a template lead to the domains of `brand.yaml`, or are links of ours by name."""
    for line, text in enumerate(content.files.get(file, "").splitlines(), start=1):
        for url in ADDRESS.findall(text):
            host = host_of(url)
            if not host:
                yield Finding(file, line, "foreign_link", f"{url} is no address; write it like https://shop.example/p1")
            elif not is_among(host, content.brand.domains):
                yield Finding(file, line, "foreign_link", f"{host} is not among the domains of brand.yaml")


def _pictures(html: str) -> list[str]:
    """The sources of pictures without words for those who do not see them."""
    reader = _Pictures()
    reader.feed(html)
    reader.close()
    return reader.mute


class _Pictures(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.mute: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "img" and not (attributes.get("alt") or "").strip():
            self.mute.append(attributes.get("src") or "a picture")
