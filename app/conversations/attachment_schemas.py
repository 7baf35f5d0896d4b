"""Files on the wire."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class AttachmentView(BaseModel):
    """A stored file."""

    id: str = Field(examples=["att_01k4n5c9t2v8x7q6m3b1a0zdef"])
    mime_type: str
    kind: Literal["image", "sticker", "video", "audio", "document"]
    size_bytes: int
    file_name: str | None
    conversation_id: str | None = Field(description="Where it belongs; null until it is sent.")
    created_at: datetime
