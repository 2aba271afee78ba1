"""sightgap: is a vision-language model failing to see, or failing to think?"""

__version__ = "0.1.0"
