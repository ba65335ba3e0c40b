"""What a process prints, line by line."""

import asyncio
import codecs
import re
from collections.abc import AsyncIterator

# Output without any line end must not fill the memory.
_LONGEST = 16_384

# A progress bar ends its lines with \r.
_AFTER_LINE = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")


async def lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Each with its end, if it has one."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    while chunk := await stream.read(65536):
        *whole, rest = _AFTER_LINE.split(rest + decoder.decode(chunk))
        for line in whole:
            yield line
        if len(rest) > _LONGEST:
            yield rest
            rest = ""
    if rest:
        yield rest
