"""The datasets of ``config/datasets``: their captures, what of them is at hand, and how to obtain the rest."""

from canids.catalogue.captures import captures_of

__all__ = ["captures_of"]
