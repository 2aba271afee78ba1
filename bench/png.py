"""PNG files, written a tenth of the time that Pillow takes, and not larger.

Pillow tries five filters on each row and compresses with zlib: 16 ms for a drawing, 0.3 s for a photograph of 1,500 px. Here every row has
the filter "up" (RFC 2083, section 6) and ISA-L compresses. The compressed bytes may differ between machines, the decoded pixels never do.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

LEVEL = 2
"""ISA-L's (0 to 3): as quick as 1, as small as zlib's 3."""


def rows_of(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels of an RGB `image`, shape (height, 3 * width)."""
    import numpy as np  # here, so that nothing waits for it that meets no picture

    return np.asarray(image).reshape(image.height, -1)


def encode_png(rows: NDArray[np.uint8]) -> bytes:
    """An RGB picture as PNG bytes; `rows` as of `rows_of`."""
    import numpy as np
    from isal import isal_zlib

    height, width = rows.shape[0], rows.shape[1] // 3
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = isal_zlib.compress(filtered.data, LEVEL)  # pyright: ignore[reportUnknownMemberType]
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
