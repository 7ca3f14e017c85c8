"""Weights where a program can map them: each large one of an ONNX file begins at a multiple of 64 bytes.

A protobuf puts bytes anywhere. What of a weight is used where it lies in the file must lie where values of its type may,
so a comment of blanks (the tensor's `doc_string`, which nothing reads) goes before it. Reference: onnx.proto3.
"""

from pathlib import Path

import numpy as np

ALIGNMENT = 64  # bytes: a line of a processor's cache
SMALLEST = 4096  # bytes; smaller weights are copied by whoever loads them
GRAPH, INITIALIZER = 7, 5  # fields of a ModelProto and of its GraphProto
RAW_DATA, DOC_STRING = 9, 12  # of a TensorProto
BYTES = 2  # the wire type of messages, texts and bytes


def varint(value):
    encoded = bytearray()
    while value > 127:
        encoded.append(value % 128 | 128)
        value //= 128
    return bytes([*encoded, value])


def header(number, size):
    return varint(number * 8 + BYTES) + varint(size)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def fields(data, start, end):
    """(number, where its tag begins, where its content begins, where it ends), in order."""
    while start < end:
        tag, at = read_varint(data, start)
        wire_type = tag % 8
        if wire_type == BYTES:
            size, at = read_varint(data, at)
            after = at + size
        elif wire_type == 0:
            _, after = read_varint(data, at)
        else:
            after = at + {1: 8, 5: 4}[wire_type]
        yield tag // 8, start, at, after
        start = after


def aligned_tensor(data, start, end, position):
    """Parts of the field that stands at `position` of the new file; None when it stays as it is."""
    parts = list(fields(data, start, end))
    raw = [(at, after) for number, _, at, after in parts if number == RAW_DATA]
    if len(raw) != 1 or raw[0][1] - raw[0][0] < SMALLEST:
        return None
    (at, after) = raw[0]
    others = [data[begin:stop] for number, begin, _, stop in parts if number not in (RAW_DATA, DOC_STRING)]
    raw_header = header(RAW_DATA, after - at)
    for blanks in range(ALIGNMENT + 1):
        comment = header(DOC_STRING, blanks) + b" " * blanks if blanks else b""
        before = b"".join([*others, comment, raw_header])
        tag = header(INITIALIZER, len(before) + after - at)
        if (position + len(tag) + len(before)) % ALIGNMENT == 0:
            return [tag, before, data[at:after]]
    raise AssertionError("a place in every row of 64")


def aligned_graph(data, start, end, position):
    """Parts of the content of a GraphProto that stands at `position` of the new file."""
    out = []
    for number, begin, at, after in fields(data, start, end):
        tensor = aligned_tensor(data, at, after, position) if number == INITIALIZER else None
        for part in tensor or [data[begin:after]]:
            out.append(part)
            position += len(part)
    return out


def align_weights(file: Path):
    """Rewrites a file in place; does nothing where it is aligned already."""
    data = memoryview(np.memmap(file, mode="r"))
    new = file.with_name(f"{file.name}.aligned")
    with new.open("wb") as out:
        for number, begin, at, after in fields(data, 0, len(data)):
            parts = graph_field(data, at, after, out.tell()) if number == GRAPH else [data[begin:after]]
            for part in parts:
                out.write(part)
    new.replace(file)


def graph_field(data, start, end, position):
    """Parts of the field. Its header is as long as its length takes, which depends on where the graph begins."""
    size = end - start
    while True:
        parts = aligned_graph(data, start, end, position + len(header(GRAPH, size)))
        grown = sum(map(len, parts))
        if len(header(GRAPH, grown)) == len(header(GRAPH, size)):
            return [header(GRAPH, grown), *parts]
        size = grown
