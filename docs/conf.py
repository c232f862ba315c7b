"""Sphinx configuration; `make docs` builds with -n -W, so that a dead reference is an error."""

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from docutils.nodes import Element, Node
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).parent))  # Sphinx does not look for modules beside this one

from generated import cancellation, errors, events, scenarios  # only now can they be found

project = "trio_ohws"
author = "the trio_ohws maintainers"
pyproject = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
release = version = pyproject["project"]["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "inherited-members": False, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_use_rtype = False  # "Returns:" is prose; signatures have the types
napoleon_custom_sections = ["If cancelled", "If interrupted", "Source"]

# The documentation is built without a network, so other projects' names have no page to point to.
BUILTINS = "str|bytes|bytearray|memoryview|int|float|bool|None|object|dict|list|tuple|set|frozenset|type"
nitpick_ignore_regex = [
    (r"py:.*", r"(collections|typing|types|ssl|trio|anyio|pathlib|os|enum|abc|logging|opentelemetry)\..*"),
    (r"py:.*", BUILTINS),
    (r"py:.*", r"[A-Z]\w*(Error|Exception|Group)"),
    (r"py:.*", r"(trio_ohws\.[\w.]+\.)?_?T"),  # a type variable
]


def show_public_bases(
    _app: Sphinx, _name: str, _cls: type, _options: Mapping[str, object], bases: list[type]
) -> None:
    """Name only those bases that a reader can import."""
    bases[:] = [base for base in bases if not base.__module__.startswith("trio_ohws.")]


HANDED_OUT = {
    "trio_ohws.WebSocket",
    "trio_ohws.MessageBatches",
    "trio_ohws.EventStream",
    "trio_ohws.reconnect.Connection",
    "trio_ohws.reconnect.ReconnectingWebSocket",
    "trio_ohws.sync.EventStream",
    "trio_ohws.sync.MessageBatches",
    "trio_ohws.sync.WebSocket",
    "trio_ohws.testing.HandshakeRequest",
    "trio_ohws.testing.MemoryNetwork",
    "trio_ohws.testing.MemoryPeer",
}
"""Classes that a reader is given, and never constructs."""


def hide_constructors(  # Sphinx's own list of arguments
    _app: Sphinx, what: str, name: str, _obj: object, _options: object, signature: str, returns: str
) -> tuple[str, str] | None:
    """Show no constructor where a function is what makes the object."""
    return ("", "") if what == "class" and name in HANDED_OUT else None


def find_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: Element
) -> Element | None:
    """Point to the public place of a name: a generic alias remembers where its class was defined."""
    target = node.get("reftarget", "")
    public = f"trio_ohws.{target.rpartition('.')[2]}"
    if not target.startswith("trio_ohws.") or target == public:
        return None
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], public, node, content
    )


TABLES = {
    "cancelled": cancellation.cancelled,
    "codes": errors.codes,
    "kinds": errors.kinds,
    "raised": errors.others,
    "events": events.events,
    "scenarios": scenarios.scenarios,
}


class GeneratedTable(SphinxDirective):
    """A table that is made from the code, while the page is read."""

    required_arguments = 1

    def run(self) -> list[Node]:
        """Parse the table that the argument names."""
        self.env.note_reread()  # whatever changed since the last build
        return self.parse_text_to_nodes(TABLES[self.arguments[0]]())


def setup(app: Sphinx) -> None:
    """Connect what is defined here."""
    app.add_directive("generated", GeneratedTable)
    app.connect("missing-reference", find_public_name)
    app.connect("autodoc-process-bases", show_public_bases)
    app.connect("autodoc-process-signature", hide_constructors)


html_theme = "furo"
html_title = "trio_ohws"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["side_by_side.css"]
