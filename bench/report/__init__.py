"""Reports: one file per format, all drawn from one gap document, so that they always agree."""
