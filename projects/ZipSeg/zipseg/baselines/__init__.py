"""What Zip is compared with, under the same data sets, commands and evaluators."""

from .sam_alone import SamAlone

__all__ = ["SamAlone"]
