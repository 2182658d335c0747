"""Trim the compiled USWDS stylesheet to what the desk's templates use, and copy what it refers to.

Usage: npm install @uswds/uswds htmx.org@2 in a scratch folder, then

    python tools/vendor_theme.py SCRATCH/node_modules src/slipway/desk/theme/static/theme

The result is committed; nothing is fetched when slipway is built or run. Needs
tinycss2, which is there as a dependency of WeasyPrint.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import tinycss2

# Classes whose rules stay. A rule stays when every class of one of its selectors is in here.
KEEP = re.compile(
    r"usa-(alert|breadcrumb|button|checkbox|radio|current|error-message|fieldset|form|form-group|hint|input|intro|label"
    r"|legend|link|list|select|skipnav|sr-only|table|tag|textarea|summary-box)(__.*|--.*)?"
    r"|usa-table-container(--scrollable)?|usa-focus"
    r"|grid-container|grid-row|grid-gap(-[a-z0-9-]+)?|grid-col|grid-col-(fill|auto|[0-9]+)"
    r"|(tablet|desktop|mobile-lg)\\:grid-col(-[a-z0-9]+)?"
)
# Variants that look like a kept class and are not used; the stylesheet repeats them at length.
DROP = re.compile(
    r"usa-button--(accent|inverse|big|base)|usa-table--stacked|--inverse|usa-dark|__input--tile"
)
CLASS = re.compile(r"\.((?:[\w-]|\\.)+)")
URL = re.compile(r"url\(\s*[\"']?(\.\./img/[^\"')]+)[\"']?\s*\)")
FONTS = {
    "PublicSans-Regular": ("400", "normal"),
    "PublicSans-Italic": ("400", "italic"),
    "PublicSans-Bold": ("700", "normal"),
}


def keep_selector(selector: str) -> bool:
    """Say whether one selector is about something we use."""
    if DROP.search(selector):
        return False
    return all(KEEP.fullmatch(name) for name in CLASS.findall(selector))


def split_selectors(prelude: list[object]) -> list[str]:
    """Return the selectors of a rule; a comma inside ``:where(…)`` separates nothing."""
    parts: list[list[object]] = [[]]
    for token in prelude:
        if token.type == "literal" and token.value == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return [tinycss2.serialize(part).strip() for part in parts]


def trim(rules: list[object]) -> str:
    """Return the rules that stay, as text."""
    out = []
    for rule in rules:
        if rule.type == "qualified-rule":
            selectors = split_selectors(rule.prelude)
            kept = [s for s in selectors if keep_selector(s)]
            if kept:
                out.append(f"{','.join(kept)}{{{tinycss2.serialize(rule.content).strip()}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports"):
            inner = trim(tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True))
            if inner:
                out.append(f"@{rule.at_keyword} {tinycss2.serialize(rule.prelude).strip()}{{{inner}}}")
    return "\n".join(out)


def main(modules: Path, target: Path) -> None:
    """Write ``uswds.css``, its pictures, the fonts, htmx, and the licence note."""
    uswds = modules / "@uswds/uswds"
    css = (uswds / "dist/css/uswds.css").read_text()
    text = trim(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True))
    # One family for everything: two more would be 120 KB and tell the reader nothing.
    for family in ("Source Sans Pro Web", "Merriweather Web"):
        text = text.replace(family, "Public Sans Web")
    text = re.sub(r"\n\s+", "", text).replace("Roboto Mono Web", "ui-monospace")
    (target / "img").mkdir(parents=True, exist_ok=True)
    for found in sorted(set(URL.findall(text))):
        source = uswds / "dist" / found.removeprefix("../")
        shutil.copyfile(source, target / "img" / source.name)
        text = text.replace(found, f"img/{source.name}")
    faces = []
    for name, (weight, style) in FONTS.items():
        shutil.copyfile(uswds / f"dist/fonts/public-sans/{name}.woff2", target / f"{name}.woff2")
        faces.append(
            f'@font-face{{font-family:"Public Sans Web";font-style:{style};font-weight:{weight};'
            f'font-display:swap;src:url({name}.woff2) format("woff2")}}'
        )
    version = json.loads((uswds / "package.json").read_text())["version"]
    head = f"/*! uswds v{version}, trimmed by tools/vendor_theme.py; see VENDORED.md beside this file */\n"
    (target / "uswds.css").write_text(head + "\n".join(faces) + "\n" + text + "\n")
    shutil.copyfile(modules / "htmx.org/dist/htmx.min.js", target / "htmx.min.js")
    print(len(text), "characters of", len(css))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
