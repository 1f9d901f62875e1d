"""Reports: one folder with JSON, Markdown and self-contained HTML, rendered from records alone."""
