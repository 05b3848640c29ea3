"""For mkdocs: links in notebooks lead to pages, as those in Markdown do by mkdocs itself."""

import logging
import posixpath
import re

log = logging.getLogger("mkdocs.hooks.notebook_links")  # below "mkdocs", so that --strict counts

_LINK = re.compile(r'href="(?P<path>(?![a-z]+:)[^"#]+\.(?:md|ipynb))(?P<anchor>#[^"]*)?"')


def on_page_content(html, page, config, files):  # noqa: ARG001 - as mkdocs calls it
    """Replace the paths of files by the addresses of their pages."""
    here = page.file.src_uri

    def address(link):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(here), link["path"]))
        file = files.get_file_from_path(path)
        if file is None:
            log.warning("%s links to %s, which is no page", here, link["path"])
            return link[0]
        return f'href="{file.url_relative_to(page.file)}{link["anchor"] or ""}"'

    return _LINK.sub(address, html) if here.endswith(".ipynb") else html
