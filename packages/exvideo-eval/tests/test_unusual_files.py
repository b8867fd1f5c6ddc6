from exvideo_eval.unusual_files import unusual_files
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
