import pytest
from hypothesis import given, strategies as st

from chatcluster.connect import framing
from chatcluster.connect.protocol import ProtocolError
from chatcluster.frames import disconnects

PAYLOADS = st.lists(st.binary(max_size=300), max_size=8)


def collect(stream: bytes, chunks: list[int]) -> tuple[list[bytes], bool]:
    """Feed a stream in chunks; its payloads, and whether it ended in an error."""
    frames = framing.Frames()
    payloads: list[bytes] = []
    start = 0
    try:
        for size in [*chunks, len(stream)]:
            for payload in frames.feed(stream[start : start + size]):
                payloads.append(payload)  # noqa: PERF402 - what came before an error counts
            start += size
    except ProtocolError:
        return payloads, True
    return payloads, False


@given(PAYLOADS, st.lists(st.integers(0, 50), max_size=40))
def test_frames_come_back_however_they_are_cut(payloads: list[bytes], chunks: list[int]) -> None:
    """What was framed is found again, wherever the stream was cut."""
    stream = b"".join(framing.frame(payload) for payload in payloads)

    assert collect(stream, chunks) == (payloads, False)


@given(st.binary(max_size=200), PAYLOADS, st.lists(st.integers(0, 50), max_size=40))
def test_any_bytes_mean_the_same_however_they_are_cut(garbage: bytes, payloads: list[bytes], chunks: list[int]) -> None:
    """Whatever the bytes are, nothing but ProtocolError is raised, and chunks make no difference."""
    stream = b"".join(framing.frame(payload) for payload in payloads) + garbage

    assert collect(stream, chunks) == collect(stream, [])


@pytest.mark.parametrize(
    "header",
    [b"v1\x00\x03", b"v1\x00\x00", b"v1\xff\xff", b"v1\x80\x00", b"v2\x00\x08", b"V", b"\x00", b"GET "],
)
def test_broken_header_is_an_error_at_once(header: bytes) -> None:
    """A length below the header's own, a negative one, and another magic are told before anything else is awaited."""
    with pytest.raises(ProtocolError) as caught:
        list(framing.Frames().feed(header))

    assert caught.value.disconnect is disconnects.BAD_FRAME


def test_what_came_before_a_broken_header_counts() -> None:
    """Frames that were complete before the stream broke are given out."""
    feed = framing.Frames().feed(framing.frame(b"one") + framing.frame(b"") + b"v1\x00\x00")
    payloads = [next(feed), next(feed)]

    assert payloads == [b"one", b""]
    with pytest.raises(ProtocolError):
        next(feed)


def test_frame_is_bounded_by_its_length_field() -> None:
    """The largest frame has 32,767 bytes in all; a larger one is not made."""
    largest = framing.frame(bytes(framing.MAX_PAYLOAD_BYTES))

    assert len(largest) == 32_767
    assert collect(largest, [1, 5, 100]) == ([bytes(framing.MAX_PAYLOAD_BYTES)], False)
    with pytest.raises(ValueError, match="32763"):
        framing.frame(bytes(framing.MAX_PAYLOAD_BYTES + 1))
