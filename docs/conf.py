"""Sphinx configuration: Markdown pages, API reference from docstrings, a theme Sphinx brings."""

import accelgen

project = "accelgen"
author = "the accelgen developers"
copyright = "the accelgen developers, Apache-2.0"
version = release = accelgen.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

html_theme = "alabaster"
html_theme_options = {
    "description": accelgen.__doc__.partition("\n")[0].removeprefix("accelgen: "),
    "fixed_sidebar": True,
    "page_width": "1100px",
}
