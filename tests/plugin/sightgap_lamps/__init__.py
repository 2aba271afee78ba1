"""A plug-in of sightgap, installed by its tests: the provider `constant`, the family `lamps`, the report format `tsv`."""
