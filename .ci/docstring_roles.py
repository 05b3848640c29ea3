"""For mkdocs: names that docstrings mark by a role, as in :meth:`copy`, are links, without it."""

import re

_ROLE = re.compile(r":(?:class|data|func|meth|mod):<code>(?P<tilde>~?)(?P<name>[\w.]+)</code>")


def on_page_content(html, page, config, files):  # noqa: ARG001 - as mkdocs calls it
    """Replace roles by references that mkdocs-autorefs resolves where it knows the name."""
    return _ROLE.sub(_reference, html)


def _reference(role):
    name = role["name"]
    shown = name.rpartition(".")[2] if role["tilde"] else name
    return f'<autoref optional identifier="{name}"><code>{shown}</code></autoref>'
