"""Field tables on the wire: the codec that storage shares."""

from leveret.fields import (
    MAX_DEPTH,
    FarTimestamp,
    Single,
    decode_short_string,
    decode_table,
    encode_short_string,
    encode_table,
    skip_table,
)

__all__ = [
    "MAX_DEPTH",
    "FarTimestamp",
    "Single",
    "decode_short_string",
    "decode_table",
    "encode_short_string",
    "encode_table",
    "skip_table",
]
