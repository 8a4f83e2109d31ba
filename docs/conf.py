"""The site made of this folder: `python -m sphinx -W docs site` (see requirements-docs.txt)."""

project = "Molecules in STM and AFM images"
html_title = project
extensions = ["myst_parser"]
myst_heading_anchors = 3  # `page.md#heading`, as on the pages of the repository
exclude_patterns = ["images"]
html_static_path = ["_static"]
html_css_files = ["wrap.css"]
html_theme = "furo"
html_copy_source = html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}
# Plain text in a block of code is no Python.
highlight_language = "none"
