"""Ways of discovery besides the paper's; importing them registers them.

Imports what the stages may.
"""

from .points import Points
from .silhouette import Silhouette
from .watershed import Watershed

__all__ = ["Points", "Silhouette", "Watershed"]
