"""How Sphinx builds these pages."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version as version_of
from pathlib import Path

# Sphinx finds only what lies below this folder; the notebooks lie beside it.
HERE = Path(__file__).parent
shutil.rmtree(HERE / "notebooks", ignore_errors=True)
shutil.copytree(
    HERE.parent / "notebooks",
    HERE / "notebooks",
    ignore=shutil.ignore_patterns(".ipynb_checkpoints"),
)

# The page that lists what was tried is made from what the tests have recorded, if they have.
sys.path.insert(0, str(HERE))
from make_proof import write_page  # noqa: E402

write_page(HERE / "proof.md", HERE / "_build" / "evidence.json")

project = "rawmmap"
author = "The rawmmap developers"
copyright = "2026, The rawmmap developers"
version = release = version_of("rawmmap")

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
]
exclude_patterns = ["_build", "_templates", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
root_doc = "index"

html_theme = "furo"
html_title = f"rawmmap {version}"
html_static_path = ["_static"]
html_css_files = ["rawmmap.css"]
pygments_dark_style = "github-dark"
html_favicon = "_static/favicon.svg"

# Pages and notebooks run when they are built: what they show is what the library does.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 120
nb_merge_streams = True
# A page that makes the library warn is a page to correct.
nb_output_stderr = "remove-warn"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
# `RawArray` in a docstring leads to its page.
default_role = "py:obj"
# On some systems these two pages would have the same name.
autosummary_filename_map = {"rawmmap.Guess": "rawmmap.Guess-class"}
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False
