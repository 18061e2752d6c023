"""The files of the MITgcm model: data in ``.data``, and what they hold in ``.meta``."""
