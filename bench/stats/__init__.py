"""Statistics of counts and paired outcomes. Nothing here knows what a puzzle or a model is."""
