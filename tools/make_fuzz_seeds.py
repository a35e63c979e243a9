"""Writes the seeds of the fuzz targets npy, elf_file and kv_state into fuzz/corpus.

    python3 tools/make_fuzz_seeds.py
"""

import struct
from pathlib import Path

CORPUS = Path(__file__).resolve().parent.parent / "fuzz" / "corpus"


def write(target: str, name: str, content: bytes) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def npy(shape: str, values: list[float], version: int = 1, descr: str = "<f4", order: str = "False") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
    before = 10 if version == 1 else 12
    text += " " * (63 - (before + len(text)) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + struct.pack(f"<{len(values)}f", *values)


def make_npy() -> None:
    six = [float(i) for i in range(6)]
    write("npy", "matrix", npy("(2, 3)", six))
    write("npy", "vector_of_version_2", npy("(6,)", six, version=2))
    write("npy", "scalar_of_version_3", npy("()", [1.5], version=3))
    write("npy", "empty", npy("(0, 4)", []))
    write("npy", "cut_short", npy("(2, 3)", six[:4]))
    write("npy", "too_long", npy("(2, 2)", six))
    write("npy", "a_gigabyte_that_is_not_there", npy("(1024, 1024, 256)", []))
    write("npy", "a_product_that_wraps", npy("(4294967296, 4294967296)", []))
    write("npy", "doubles", npy("(2,)", six, descr="<f8"))
    write("npy", "columns_first", npy("(2, 3)", six, order="True"))


def elf(machine: int = 62, kind: int = 3, sections: int = 3) -> bytes:
    """A shared object of x86-64 with one defined symbol, one hidden and one that it wants."""
    names = b"\0llorch_plugin_query\0hidden\0memcpy\0"
    default, hidden, undefined, text = 0, 2, 0, 1
    symbols = struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0)
    for name, visibility, section in (
        (b"llorch_plugin_query", default, text),
        (b"hidden", hidden, text),
        (b"memcpy", default, undefined),
    ):
        symbols += struct.pack("<IBBHQQ", names.index(name), (1 << 4) | 2, visibility, section, 0, 0)
    header_bytes, segment_bytes, section_bytes = 64, 56, 64
    names_at = header_bytes + 2 * segment_bytes
    symbols_at = (names_at + len(names) + 7) // 8 * 8
    sections_at = symbols_at + len(symbols)
    end = sections_at + sections * section_bytes
    segments = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, end, end, 4096)
    segments += struct.pack("<IIQQQQQQ", 2, 6, names_at, 0, 0, 16, 16, 8)
    table = bytes(section_bytes)
    table += struct.pack("<IIQQQQIIQQ", 0, 11, 2, 0, symbols_at, len(symbols), 2, 1, 8, 24)
    table += struct.pack("<IIQQQQIIQQ", 0, 3, 2, 0, names_at, len(names), 0, 0, 1, 0)
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = identity + struct.pack(
        "<HHIQQQIHHHHHH", kind, machine, 1, 0, header_bytes, sections_at, 0, 64, segment_bytes, 2, section_bytes, sections, 0
    )
    body = header + segments + names
    return body + bytes(symbols_at - len(body)) + symbols + table[: sections * section_bytes]


def make_elf() -> None:
    write("elf_file", "shared_object", elf())
    write("elf_file", "program", elf(kind=2))
    write("elf_file", "of_another_machine", elf(machine=40))
    write("elf_file", "without_symbols", elf(sections=1))
    write("elf_file", "cut_short", elf()[:-30])
    write("elf_file", "a_model", b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    write("elf_file", "text", b"#!/bin/sh\nexit 1\n")


MASK = (1 << 64) - 1
F32, F16, Q8_0 = 0, 1, 2
DTYPES = {F32: 0x100, F16: 0x101, Q8_0: 0x108}
ROW_BYTES = {F32: 16, F16: 8, Q8_0: 6}  # of a head of 4
LAYERS, HEADS, HEAD_DIM, FINGERPRINT = 2, 2, 4, 0x1234


def fold(value: int, content: bytes) -> int:
    """hash_bytes() of plugins/common/base/hash.hpp."""
    for at in range(0, len(content), 8):
        word = int.from_bytes(content[at : at + 8], "little")
        value = ((value ^ word) * 0x9E3779B97F4A7C15) & MASK
        value ^= value >> 29
    return value


def kv_state(k_type: int, v_type: int, positions: list[int], fingerprint: int = FINGERPRINT, flags: int = 0) -> bytes:
    """What fuzz_kv_state takes: the types and flags, then a state as save() writes it."""
    n = len(positions)
    k_bytes, v_bytes = n * HEADS * ROW_BYTES[k_type], n * HEADS * ROW_BYTES[v_type]
    body_bytes = n * 4 + LAYERS * (k_bytes + v_bytes)
    header = b"llorchKV" + struct.pack(
        "<IIQIIIIIIQ", 1, 56, fingerprint, DTYPES[k_type], DTYPES[v_type], LAYERS, HEADS, HEAD_DIM, n, body_bytes
    )
    pieces = [header, struct.pack(f"<{n}i", *positions)]
    for layer in range(LAYERS):
        pieces.append(bytes((layer + i) % 251 for i in range(k_bytes)))
        pieces.append(bytes((layer + 3 * i) % 251 for i in range(v_bytes)))
    total = 0xCBF29CE484222325
    for piece in pieces:
        total = fold(total, piece)
    return bytes([k_type | v_type << 2 | flags]) + b"".join(pieces) + struct.pack("<Q", total)


def make_kv_state() -> None:
    repair, small_pieces, failing_reader = 16 | 32, 64, 128
    write("kv_state", "f32", kv_state(F32, F32, list(range(9, 14))))
    write("kv_state", "f16_and_q8_0", kv_state(F16, Q8_0, [0, 1, 5, 39], flags=small_pieces))
    write("kv_state", "empty", kv_state(Q8_0, Q8_0, []))
    write("kv_state", "full", kv_state(F16, F16, list(range(32))))
    write("kv_state", "no_room", kv_state(F16, F16, list(range(40))))
    write("kv_state", "positions_that_fall", kv_state(F32, F32, [4, 3], flags=repair))
    write("kv_state", "a_position_beyond", kv_state(F32, F32, [39, 40], flags=repair))
    write("kv_state", "of_another_model", kv_state(F32, F32, [0, 1], fingerprint=0x4321))
    write("kv_state", "cut_short", kv_state(F32, F32, [0, 1])[:-9])
    write("kv_state", "a_reader_that_fails", kv_state(F32, F32, [0, 1], flags=failing_reader)[:-9])


if __name__ == "__main__":
    make_npy()
    make_elf()
    make_kv_state()
