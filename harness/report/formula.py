"""Formulas as inline SVG. The glyphs of a page are kept once, in one hidden sheet at its top.

A formula may come from a stranger's theorem file: what the typesetter returns is rebuilt from an allow-list of
elements and attributes, and whatever cannot be typeset is shown as escaped text.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from markupsafe import Markup, escape

from harness.report.typeset import SIZE, typeset

_MAX_SOURCE = 4000
_SVG = "{http://www.w3.org/2000/svg}"
_ATTRIBUTES = {
    "svg": {"viewBox"},
    "symbol": {"id", "viewBox"},
    "path": {"d"},
    "use": {"href", "x", "y", "width", "height"},
    "rect": {"x", "y", "width", "height"},
    "g": set(),
}


class FormulaSheet:
    """Typesets the formulas of one page; :meth:`sprite` must come before them in the page."""

    def __init__(self) -> None:
        self._glyphs: dict[str, str] = {}

    def inline(self, latex: str) -> Markup:
        """A formula in running text."""
        return self._formula(latex, "math")

    def display(self, latex: str) -> Markup:
        """A formula on a line of its own, which scrolls by itself where the page is narrow."""
        return Markup('<div class="display">{}</div>').format(self._formula(latex, "math"))

    def prose(self, text: str) -> Markup:
        """Text in which formulas stand between dollars."""
        parts = text.split("$")
        if len(parts) % 2 == 0:
            return escape(text)
        return Markup("").join(self.inline(p) if i % 2 else escape(p) for i, p in enumerate(parts))

    def sprite(self) -> Markup:
        """The hidden sheet with every glyph that was used so far."""
        glyphs = Markup("").join(Markup(symbol) for _, symbol in sorted(self._glyphs.items()))
        return Markup('<svg class="glyphs" aria-hidden="true" width="0" height="0">{}</svg>').format(glyphs)

    def _formula(self, latex: str, kind: str) -> Markup:
        if not latex.strip():
            return Markup("")
        try:
            return self._typeset(latex, kind)
        except Exception:  # the typesetter documents no errors of its own; any of them means: show the source
            return Markup('<code class="tex">{}</code>').format(latex)

    def _typeset(self, latex: str, kind: str) -> Markup:
        if len(latex) > _MAX_SOURCE:
            raise ValueError("too long to typeset")
        root = ET.fromstring(typeset(latex))
        left, top, width, height = (float(v) for v in root.attrib["viewBox"].split())
        if root.find(f".//{_SVG}use") is None and root.find(f".//{_SVG}path") is None:
            raise ValueError("nothing was typeset")
        body = "".join(self._element(child) for child in root)
        # The baseline is y = 0: how far the box hangs below it, in units of the font size.
        depth = (top + height) / SIZE
        return Markup(
            '<svg class="{}" role="img" aria-label="{}" viewBox="{} {} {} {}" '
            'style="width:{:.3f}em;height:{:.3f}em;vertical-align:{:.3f}em">{}</svg>'
        ).format(kind, latex, left, top, width, height, width / SIZE, height / SIZE, -depth, Markup(body))

    def _element(self, element: ET.Element) -> str:
        tag = element.tag.removeprefix(_SVG)
        if tag not in _ATTRIBUTES:
            raise ValueError(f"unexpected element {tag}")
        kept = {k: v for k, v in element.attrib.items() if k in _ATTRIBUTES[tag]}
        if tag == "use" and not kept.get("href", "").startswith("#"):
            raise ValueError("a glyph from elsewhere")
        shown = "".join(f' {k}="{escape(v)}"' for k, v in kept.items())
        inside = "".join(self._element(child) for child in element)
        text = f"<{tag}{shown}>{inside}</{tag}>" if inside else f"<{tag}{shown}/>"
        if tag == "symbol":
            self._glyphs.setdefault(kept["id"], text)
            return ""
        return text
