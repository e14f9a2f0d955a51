"""The demo's works of faces and of sound."""

from __future__ import annotations

from .work import Work

FACES_AND_VOICES = (
    Work(
        "A face, and the mesh of its skin",
        "astronaut",
        "mesh.png",
        "ml4a faces sample:astronaut --points mesh -o mesh.png",
        """\
import ml4a
from ml4a import image

faces = ml4a.load("face")
image.save(faces.show(image.load("sample:astronaut"), points="mesh"), "mesh.png")
""",
        extra="face",
    ),
    Work(
        "The face alone, its eyes where they are in all such pictures",
        "astronaut",
        "aligned.png",
        "ml4a align sample:astronaut --size 384 -o aligned.png",
        """\
import ml4a
from ml4a import image

faces = ml4a.load("face")
image.save(faces.align(image.load("sample:astronaut"), size=384), "aligned.png")
""",
    ),
    Work(
        "A voice",
        None,
        "voice.mp3",
        'ml4a speak "Everything on this page was made by this machine, a moment ago. Even my voice." --seed 1'
        " -o voice.mp3",
        """\
import ml4a

voice = ml4a.load("speech")
text = "Everything on this page was made by this machine, a moment ago. Even my voice."
voice(text, seed=1).save("voice.mp3")
""",
        extra="speech",
    ),
    Work(
        "What a picture sounds like",
        "rocket",
        "rocket.mp3",
        "ml4a sound from-picture sample:rocket --seconds 6 --seed 1 -o rocket.mp3",
        """\
from ml4a import audio

audio.from_picture("sample:rocket", seconds=6, seed=1).save("rocket.mp3")
""",
    ),
    Work(
        "A picture that talks",
        "astronaut",
        "talk.mp4",
        'ml4a speak "Hello from a photograph." --seed 1 -o - | ml4a lipsync sample:astronaut - -o talk.mp4',
        """\
import ml4a

said = ml4a.load("speech")("Hello from a photograph.", seed=1)
ml4a.load("wav2lip")("sample:astronaut", speech=said).save("talk.mp4")
""",
        needs=("wav2lip",),
        extra="speech",
    ),
    Work(
        "The voice of 2018, frame by frame",
        None,
        "tacotron.mp3",
        'ml4a speak "Everything has its time." --model tacotron2 --seed 1 -o tacotron.mp3',
        """\
import ml4a

ml4a.load("tacotron2")("Everything has its time.", seed=1).save("tacotron.mp3")
""",
        needs=("tacotron2",),
        extra="speech",
    ),
)
