from __future__ import annotations

import errno
import os
import struct
import threading
import time
from typing import TYPE_CHECKING, Iterator, List, Tuple
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layer_sdk.delivery._segment import (
    ACKNOWLEDGEMENT,
    HEADER,
    MAX_PAYLOAD,
    RECORD,
    Segment,
    create,
    frame,
    sizes,
    unsettled,
)

if TYPE_CHECKING:
    from pathlib import Path

NAME = "0000000000001-1-0a.seg"
Written = Tuple[bytes, int, List[int]]  # an entry, the number of a record, and the numbers that it acknowledges


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """Give the descriptor of an empty folder."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def acknowledgement(*numbers: int) -> bytes:
    return frame(ACKNOWLEDGEMENT, 0, struct.pack(f"<{len(numbers)}Q", *numbers))


def leave(path: Path, content: bytes) -> None:
    """Leave a segment as a dead process would."""
    path.write_bytes(content)
    path.chmod(0o600)
    os.utime(path, (0, 0))


def test_layout() -> None:
    """The bytes on disk are those that a later version will have to read."""
    checked = b"\x01" + b"\x07\0\0\0\0\0\0\0" + b"hello"
    assert b"\x05\0\0\0" + struct.pack("<I", crc32(checked)) + checked == frame(RECORD, 7, b"hello")
    assert b"LAYERSP\x01" == HEADER
    assert (1, 2) == (RECORD, ACKNOWLEDGEMENT)


def read(data: bytes) -> tuple[dict[int, bytes], int]:
    """Give what is unsettled without saying where; an entry stands where it is said to."""
    records, end = unsettled(data)
    for number, found in records.items():
        assert data[found.offset :].startswith(frame(RECORD, number, found.payload))
    return {number: found.payload for number, found in records.items()}, end


def test_records_come_back_in_order() -> None:
    """What was written is read, and what was acknowledged is not."""
    data = HEADER + frame(RECORD, 1, b"a") + frame(RECORD, 2, b"") + frame(RECORD, 3, b"c") + acknowledgement(1, 9)
    assert ({2: b"", 3: b"c"}, len(data)) == read(data)
    assert [2, 3] == list(unsettled(data)[0])


@pytest.mark.parametrize(
    "tail",
    [
        struct.pack("<IIBQ", MAX_PAYLOAD + 1, 0, RECORD, 2) + b"x",
        struct.pack("<IIBQ", 0xFFFFFFFF, 0xFFFFFFFF, 0xFF, 2**64 - 1),
        struct.pack("<IIBQ", 5, 0, RECORD, 2) + b"hello",
        frame(4, 2, b"of another kind"),
        frame(0, 2, b""),
        bytes(17),
        bytes(4096),
        b"\n" * 100,
    ],
    ids=["too long", "all ones", "checksum", "kind 4", "kind 0", "no entry", "zeros", "text"],
)
def test_garbage_ends_a_segment(tail: bytes) -> None:
    """What is no entry ends the reading, however long it says it is."""
    intact = HEADER + frame(RECORD, 1, b"a")
    assert ({1: b"a"}, len(intact)) == read(intact + tail + frame(RECORD, 3, b"c"))


def test_payload_that_nobody_would_read_is_not_written() -> None:
    """What is longer than a reader takes is refused by the writer."""
    with pytest.raises(ValueError, match="67108864"):
        frame(RECORD, 1, bytes(MAX_PAYLOAD + 1))


def test_absurd_length_is_refused(folder: int) -> None:
    """An entry that is longer than any that is written ends a segment, be its checksum right."""
    payload = bytes(MAX_PAYLOAD + 1)
    checked = struct.pack("<BQ", RECORD, 1) + payload
    data = HEADER + struct.pack("<II", len(payload), crc32(checked)) + checked
    assert ({}, len(HEADER)) == unsettled(data)


@st.composite
def segments(draw: st.DrawFn) -> list[Written]:
    """Draw the entries of a segment, records and acknowledgements mixed."""
    entries: list[Written] = []
    for number in range(1, draw(st.integers(1, 8)) + 1):
        entries.append((frame(RECORD, number, draw(st.binary(max_size=60))), number, []))
        done = draw(st.lists(st.integers(1, number), max_size=3))
        if done:
            entries.append((acknowledgement(*done), 0, done))
    return entries


def expected(entries: list[Written], intact: int) -> tuple[list[int], int]:
    """Say what is unsettled where only the first bytes are intact, and where the last whole entry ends."""
    if intact < len(HEADER):
        return [], 0
    end = len(HEADER)
    numbers: list[int] = []
    for data, number, done in entries:
        if end + len(data) > intact:
            break
        end += len(data)
        numbers = [each for each in [*numbers, number] if each and each not in done]
    return numbers, end


@settings(deadline=None, max_examples=300)
@given(segments(), st.data())
@pytest.mark.row(16, "segments cut or changed anywhere")
def test_truncated_segment_gives_the_intact_prefix(entries: list[Written], data: st.DataObject) -> None:
    """Cut anywhere, a segment gives exactly the entries before the cut."""
    whole = HEADER + b"".join(entry for entry, _, _ in entries)
    cut = data.draw(st.integers(0, len(whole)))
    records, end = unsettled(whole[:cut])
    assert expected(entries, cut) == (list(records), end)


@settings(deadline=None, max_examples=500)
@given(segments(), st.data())
@pytest.mark.row(16, "segments cut or changed anywhere")
def test_flipped_byte_gives_the_intact_prefix(entries: list[Written], data: st.DataObject) -> None:
    """With a byte changed anywhere, a segment gives exactly the entries before it."""
    whole = bytearray(HEADER + b"".join(entry for entry, _, _ in entries))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    records, end = unsettled(bytes(whole))
    assert expected(entries, place) == (list(records), end)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300), st.booleans())
def test_noise_never_raises(noise: bytes, has_header: bool) -> None:  # noqa: FBT001  (drawn)
    """Anything may be read."""
    data = HEADER + noise if has_header else noise
    assert unsettled(data)[1] <= len(data)


def test_segment_is_locked_from_the_first_byte(folder: int) -> None:
    """A new segment has its header and is nobody else's, until it is let go."""
    made = Segment.create(folder, NAME)
    assert made is not None
    assert (len(HEADER), {NAME: len(HEADER)}) == (made.size, sizes(folder))
    assert Segment.seize(folder, NAME) is None
    made.let_go()
    seized = Segment.seize(folder, NAME)
    assert seized is not None
    seized.close()


def test_segment_that_is_gone_cannot_be_seized(folder: int) -> None:
    """No file, no segment, and no error: somebody was faster."""
    assert Segment.seize(folder, NAME) is None


def test_recovery_cuts_what_is_damaged(folder: int, tmp_path: Path) -> None:
    """After the cut, entries that are appended can be read."""
    intact = HEADER + frame(RECORD, 1, b"a") + frame(RECORD, 2, b"b")
    leave(tmp_path / NAME, intact + frame(RECORD, 3, b"c")[:-1])
    segment = Segment.seize(folder, NAME)
    assert segment is not None
    records, lost = segment.recover()
    assert ({1: b"a", 2: b"b"}, 17) == ({number: found.payload for number, found in records.items()}, lost)
    assert [b"a", b"b", None] == [segment.read(records[1 + (n > 0)].offset, n + 1) for n in range(3)]
    assert (2, len(intact)) == (segment.pending, segment.size)
    segment.acknowledge([1])
    segment.close()
    data = (tmp_path / NAME).read_bytes()
    assert ({2: b"b"}, len(data)) == read(data)
    assert intact == data[: len(intact)]


@pytest.mark.parametrize("content", [b"LAYERSP\x02" + frame(RECORD, 1, b"a"), b"something else", b"\0"])
def test_file_of_another_kind_stays_as_it_is(folder: int, tmp_path: Path, content: bytes) -> None:
    """A file that is not a segment, or one of a later version, is refused and not touched."""
    leave(tmp_path / NAME, content)
    segment = Segment.seize(folder, NAME)
    assert segment is not None
    with pytest.raises(OSError, match="not a segment of this version") as caught:
        segment.recover()
    segment.close()
    assert (errno.EINVAL, content) == (caught.value.errno, (tmp_path / NAME).read_bytes())


@pytest.mark.parametrize("content", [b"", b"L", HEADER[:-1]])
def test_segment_that_was_hardly_begun_is_empty(folder: int, tmp_path: Path, content: bytes) -> None:
    """A process may die before the header is whole."""
    leave(tmp_path / NAME, content)
    segment = Segment.seize(folder, NAME)
    assert segment is not None
    assert ({}, len(content)) == segment.recover()
    segment.close()


def test_empty_file_is_left_to_its_maker(folder: int, tmp_path: Path) -> None:
    """A file is empty for a moment before it is locked: it counts as dead only when that was a minute ago."""
    leave(tmp_path / NAME, b"")
    os.utime(tmp_path / NAME, (0, time.time() - 59))
    assert Segment.seize(folder, NAME) is None
    os.utime(tmp_path / NAME, (0, time.time() - 61))
    segment = Segment.seize(folder, NAME)
    assert segment is not None
    segment.close()


def test_names_sort_as_they_were_made(folder: int) -> None:
    """Segments made within a millisecond, or after the clock went back, have names in their order."""
    stamp, made = 10**13 - 100, []
    for _ in range(50):
        stamp, segment = create(folder, stamp, "1-00000000")
        made.append(segment)
    assert [segment.name for segment in made] == list(sizes(folder))
    for segment in made:
        segment.close()


def test_only_segments_are_listed(folder: int, tmp_path: Path) -> None:
    """Whatever else lies in the folder is not ours."""
    for name in ("notes", "1-2.seg", "1-2-0a.seg.bak", "x-2-0a.seg", NAME):
        (tmp_path / name).touch()
    assert {NAME: 0} == sizes(folder)


def test_one_of_many_seizes_a_segment(folder: int, tmp_path: Path) -> None:
    """While threads seize and delete the same files, each file is seized once: no lock on a deleted file counts."""
    names = [f"{number:013}-1-0a.seg" for number in range(300)]
    won: list[str] = []
    gate = threading.Barrier(6)

    def seize_all() -> None:
        for name in names:
            if gate.wait() == 0:
                leave(tmp_path / name, HEADER)
            gate.wait()
            segment = Segment.seize(folder, name)
            if segment is not None:
                won.append(name)
                segment.remove(folder)
                segment.close()

    threads = [threading.Thread(target=seize_all) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == won
    assert {} == sizes(folder)
