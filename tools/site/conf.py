"""How Sphinx builds the pages: stored outputs only, and nothing from the network."""

project = "Event sourcing, in notebooks"
html_title = project
html_theme = "furo"
extensions = ["myst_nb", "sphinx_copybutton"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions: list[str] = []
myst_heading_anchors = 3
# A section has the address that it has in JupyterLab, so that one link serves both.
myst_heading_slug_func = "tools.site.glossary.anchor"

html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["widgets.js", "site.js"]
html_extra_path = ["extra"]
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # it fetches pages, which a page from a file may not
html_show_copyright = False
html_show_sphinx = False
html_permalinks_icon = "#"
smartquotes = False
copybutton_selector = ".cell_input pre, pre.copy"
copybutton_exclude = ".linenos, .gp"
