"""A local web server that plays WikiArt: lists of paintings as JSON and as pages, and their pictures.

site = WikiArtSite(server)
site.paintings(["claude-monet/haystacks-1890", "claude-monet/poplars"])      # two lists of one painting each, if per=1
wikiart.download("genre", "landscape", folder, base=site.base)
"""

from __future__ import annotations

import html
import io
import json
from collections.abc import Sequence

import numpy as np
from lying_server import Answer, LyingServer
from PIL import Image

KIND, NAME = "genre", "landscape"
LIST = f"/en/paintings-by-{KIND}/{NAME}"


def jpeg(seed: int = 0, side: int = 24) -> bytes:
    """A picture of noise."""
    array = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG")
    return buffer.getvalue()


class WikiArtSite:
    """The site, on a server of its own. It has no robots.txt unless `robots` is called."""

    def __init__(self, server: LyingServer) -> None:
        self.server = server
        self.base = server.url("")

    def robots(self, *lines: str) -> None:
        """Give it a robots.txt."""
        self.server.put("/robots.txt", Answer("\n".join(lines).encode()))

    def image(self, slug: str, *answers: Answer) -> str:
        """The address of a painting's picture, which is a good one unless answers are given."""
        path = self.path(slug)
        return self.server.put(path, *(answers or [Answer(jpeg(len(slug)))]))

    @staticmethod
    def path(slug: str) -> str:
        """`artist/title` as a path on the server."""
        return f"/00129/images/{slug}.jpg"

    def row(self, slug: str, **changes: object) -> dict[str, object]:
        """A painting as the list in JSON has it."""
        artist, _, title = slug.partition("/")
        return {
            "id": "57726d9bedc2cb3880b5f5a1",
            "title": title.replace("-", " ").title(),
            "year": "1890",
            "width": 24,
            "height": 24,
            "artistName": artist.replace("-", " ").title(),
            "image": f"{self.server.url(self.path(slug))}!Large.jpg",
            "paintingUrl": f"/en/{slug}",
            "artistUrl": f"/en/{artist}",
            "flags": 2,
            **changes,
        }

    def json_lists(self, *lists: Sequence[dict[str, object]] | None) -> None:
        """Lists in JSON, then none."""
        for number, rows in enumerate([*lists, None], 1):
            answer = {"Paintings": rows, "AllPaintingsCount": 99, "PageSize": 60, "ArtistsHtml": None}
            self.server.put(f"{LIST}?json=2&page={number}", Answer(json.dumps(answer).encode()))

    def html_lists(self, *lists: Sequence[str]) -> None:
        """Lists as pages, as they were in 2021: pictures' addresses among much else."""
        for number, slugs in enumerate([*lists, []], 1):
            rows = [{"image": f"{self.server.url(self.path(slug))}!PinterestSmall.jpg"} for slug in slugs]
            escaped = html.escape(json.dumps(rows).replace("/", "\\/"))
            pictures = "".join(
                f'<li><a href="/en/{slug}"><img src="{self.server.url(self.path(slug))}"></a>' for slug in slugs
            )
            page = (
                f'<!doctype html><img src="{self.base}/Content/logo.jpg"><ul data-paintings="{escaped}">{pictures}</ul>'
            )
            self.server.put(f"{LIST}/{number}", Answer(page.encode(), headers={"Content-Type": "text/html"}))

    def paintings(self, slugs: Sequence[str], per: int = 60) -> None:
        """Paintings with good pictures, so many on a list in JSON."""
        for slug in slugs:
            self.image(slug)
        self.json_lists(*([self.row(slug) for slug in slugs[at : at + per]] for at in range(0, len(slugs), per)))

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(request.path == path for request in self.server.requests)

    def pictures_asked(self) -> list[str]:
        """The paintings whose pictures were asked for, in order."""
        begin = self.path("")[:-4]
        return [request.path[len(begin) : -4] for request in self.server.requests if request.path.startswith(begin)]
