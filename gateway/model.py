"""The base of every reply."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A reply; made by our own code, so it is not checked again."""

    model_config = ConfigDict(frozen=True)
