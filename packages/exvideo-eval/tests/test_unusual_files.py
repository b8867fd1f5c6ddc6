from exvideo_eval.unusual_files import copied_files, unusual_files
from exvideo_eval.video_reader import VideoInfo


def info(*notes: str) -> VideoInfo:
    return VideoInfo(8, 8.0, 32, 32, notes=notes)


def test_files_of_a_trait_are_counted_and_some_are_named() -> None:
    infos = {f"{number}.mp4": info("turned by 90 degrees") for number in range(5)}
    infos |= {"plain.mp4": info(), "both.mp4": info("turned by 90 degrees", "10 bits a colour, read as 8")}
    assert unusual_files("real", infos) == [
        "Real files, turned by 90 degrees: 6 (0.mp4, 1.mp4, 2.mp4 and 3 more).",
        "Real files, 10 bits a colour, read as 8: 1 (both.mp4).",
    ]


def test_of_plain_files_nothing_is_said() -> None:
    assert unusual_files("generated", {"a.mp4": info()}) == []


def test_copies_are_counted_and_named_with_what_they_are_copies_of() -> None:
    contents = {"a.mp4": "1", "b.mp4": "2", "c.mp4": "1", "sub/d.mp4": "1", "e.mp4": "2"}
    assert copied_files("generated", contents) == [
        "Generated files with the content of another, counted as clips of their own: 3 of 5 "
        "(c.mp4 as a.mp4, sub/d.mp4 as a.mp4, e.mp4 as b.mp4)."
    ]
    (many,) = copied_files("real", {f"{number}.mp4": "1" for number in range(30)})
    assert many.endswith("20.mp4 as 0.mp4 and 9 more).")
    assert copied_files("real", {"a.mp4": "1", "b.mp4": "2"}) == []
