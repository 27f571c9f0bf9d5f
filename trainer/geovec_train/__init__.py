"""Train and evaluate interleaved embedders on a GeoVec dataset; `load` gives one as a Python object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geovec_train.embedder import Embedder, load

__all__ = ["Embedder", "load"]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is asked for."""
    if name in __all__:
        from geovec_train import embedder

        return getattr(embedder, name)
    raise AttributeError(f"module 'geovec_train' has no attribute '{name}'")
