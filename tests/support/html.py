"""Pages as trees, asked by role and label rather than by class."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    ]
)


class Element:
    """One element of a page."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: Element | None) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parent = parent
        self.children: list[Element | str] = []

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def get(self, name: str, default: str = "") -> str:
        """An attribute, or ``default``."""
        return self.attributes.get(name, default)

    def has(self, name: str) -> bool:
        """Whether the attribute is there."""
        return name in self.attributes

    @property
    def text(self) -> str:
        """All text below, spaces folded."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child._texts()
                yield " "

    def walk(self) -> Iterator[Element]:
        """This element and all below."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Elements below with this tag and these attributes (``class_`` is one of the classes)."""
        return [element for element in self.walk() if element._matches(tag, attributes)]

    def one(self, tag: str = "", **attributes: str) -> Element:
        """The only such element."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of {tag} {attributes}"
        return found[0]

    def _matches(self, tag: str, attributes: dict[str, str]) -> bool:
        if tag and self.tag != tag:
            return False
        for name, wanted in attributes.items():
            if name == "class_":
                if wanted not in self.get("class").split():
                    return False
            elif self.attributes.get(name.replace("_", "-")) != wanted:
                return False
        return True

    def labelled(self, label: str) -> Element:
        """The input whose label begins with ``label``."""
        for element in self.all("label"):
            if element.text.startswith(label):
                return self.one(id=element["for"])
        raise AssertionError(f"no input labelled {label!r}")

    def button(self, name: str) -> Element:
        """The button or link with this accessible name."""
        for element in self.walk():
            if element.tag in ("button", "a") and name in (element.get("aria-label"), element.text):
                return element
        raise AssertionError(f"no button {name!r}")

    def fields(self) -> dict[str, str]:
        """What a browser would send for this form, submit buttons apart."""
        sent: dict[str, str] = {}
        for element in self.walk():
            name = element.get("name")
            if not name:
                continue
            kind = element.get("type")
            if element.tag == "input":
                if kind not in ("checkbox", "radio") or element.has("checked"):
                    sent[name] = element.get("value")
            elif element.tag == "select":
                options = element.all("option")
                chosen = [option for option in options if option.has("selected")] or options[:1]
                if chosen:
                    sent[name] = chosen[0].get("value")
        return sent


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {}, None)
        self._open = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open)
        self._open.children.append(element)
        if tag not in VOID:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.children.append(
            Element(tag, {name: value or "" for name, value in attrs}, self._open)
        )

    def handle_endtag(self, tag: str) -> None:
        found: Element | None = self._open
        while found is not None and found.tag != tag:
            found = found.parent
        assert found is not None, f"</{tag}> closes nothing"
        assert found is self._open, f"</{tag}> closes <{self._open.tag}>"
        assert found.parent is not None
        self._open = found.parent

    def handle_data(self, data: str) -> None:
        self._open.children.append(data)


def parsed(html: str) -> Element:
    """The tree of a page or fragment; a wrongly nested one fails."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert builder._open is builder.root, f"<{builder._open.tag}> is never closed"
    return builder.root
