"""Writing a mostly empty array as a compressed .npz in a fraction of numpy's time.

Instance masks are 99 % zeros. numpy.savez_compressed packs every one of them; here a run of zeros
is put into the file as a piece that was packed once. The file is an ordinary .npz: the deflate
format lets packed pieces follow each other when each ends with a full flush (on a whole byte,
without reference to what was before it).
"""

from __future__ import annotations

import functools
import io
import os
import struct
import zlib
from collections.abc import Iterable

import numpy as np

from spm.run.files import write_bytes

_LEVEL = 1
_LONGEST = 20  # zeros are packed in runs of 2 ** _LONGEST bytes and of each shorter power of two
_SHORTEST = 10
# Bytes of an array from which on its size stands in the 64 bits of an extra field.
ZIP64_FROM = 0xFFFFFFFF
_SEE_EXTRA_FIELD = 0xFFFFFFFF
# 1980-01-01, the earliest date of the format: the same masks give the same file.
_DATE = 0x00210000


def write_sparse(
    path: str | os.PathLike,
    shape: tuple[int, ...],
    pieces: Iterable[tuple[int, bytes]],
    more: dict[str, np.ndarray],
) -> None:
    """Write a uint8 array in Fortran order that is 0 everywhere except in some pieces, atomically.

    Args:
        path: the .npz file; `numpy.load(path)["arr_0"]` reads it.
        shape: of the array.
        pieces: (offset in bytes of the flat Fortran-ordered array, content), in rising order.
        more: further arrays by name, small ones.
    """
    size = int(np.prod(shape, dtype=np.int64))
    packer = _Packer()
    packer.add(_npy_header(shape))
    end = 0
    for offset, content in pieces:
        packer.add_zeros(offset - end)
        packer.add(content)
        end = offset + len(content)
    packer.add_zeros(size - end)
    members = {"arr_0": packer}
    for name, array in more.items():
        members[name] = _Packer()
        members[name].add(_npy(array))
    write_bytes(path, _zip(members), durable=False)


class _Packer:
    """A raw deflate stream that is made of pieces and runs of zeros."""

    def __init__(self):
        self.crc = 0
        self.size = 0
        self.packed: list[bytes] = []
        self._compress = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)

    def add(self, content: bytes) -> None:
        self.crc = zlib.crc32(content, self.crc)
        self.size += len(content)
        self.packed.append(self._compress.compress(content))

    def add_zeros(self, count: int) -> None:
        """Append `count` zeros: long runs ready packed, the rest like any content."""
        if count >> _SHORTEST:
            # From here on nothing may refer back over the ready packed runs.
            self.packed.append(self._compress.flush(zlib.Z_FULL_FLUSH))
        for power in range(_LONGEST, _SHORTEST - 1, -1):
            while count >> power:
                zeros, packed = _packed_zeros(power)
                self.packed.append(packed)
                self.crc = zlib.crc32(zeros, self.crc)
                self.size += len(zeros)
                count -= len(zeros)
        self.add(bytes(count))

    def finish(self) -> bytes:
        return b"".join([*self.packed, self._compress.flush()])


@functools.cache
def _packed_zeros(power: int) -> tuple[bytes, bytes]:
    """Return 2 ** power zeros, and the same packed and ended with a full flush."""
    zeros = bytes(1 << power)
    compress = zlib.compressobj(9, zlib.DEFLATED, -15)
    return zeros, compress.compress(zeros) + compress.flush(zlib.Z_FULL_FLUSH)


def _npy_header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": True, "shape": tuple(map(int, shape))}
    np.lib.format.write_array_header_1_0(header, description)
    return header.getvalue()


def _npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, np.ascontiguousarray(array), version=(1, 0))
    return content.getvalue()


def _zip(members: dict[str, _Packer]) -> bytes:
    """Return the zip archive (PKWARE's APPNOTE, sections 4.3.7, 4.3.12, 4.3.16, and 4.5.3 for
    arrays of 4 GiB and more; the archive itself stays below)."""
    files, directory, offset = [], [], 0
    for name, packer in members.items():
        content = packer.finish()
        local, central = _headers(f"{name}.npy".encode(), packer, content, offset)
        files += [local, content]
        directory.append(central)
        offset += len(local) + len(content)
    count, length = len(members), sum(map(len, directory))
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, length, offset, 0)
    return b"".join([*files, *directory, end])


def _headers(name: bytes, packer: _Packer, content: bytes, offset: int) -> tuple[bytes, bytes]:
    """Return a member's header and its entry in the central directory."""
    flags, deflated = 0, 8
    if packer.size < ZIP64_FROM:
        version, sizes, extra = 20, (len(content), packer.size), b""
    else:
        version, sizes = 45, (_SEE_EXTRA_FIELD, _SEE_EXTRA_FIELD)
        extra = struct.pack("<HHQQ", 1, 16, packer.size, len(content))
    common = struct.pack(
        "<HHHIIIIHH",
        *(version, flags, deflated, _DATE),
        *(packer.crc, *sizes, len(name), len(extra)),
    )
    central = b"PK\x01\x02" + struct.pack("<H", version) + common
    central += struct.pack("<HHHII", 0, 0, 0, 0, offset)
    return b"PK\x03\x04" + common + name + extra, central + name + extra
