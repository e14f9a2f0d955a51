"""Non-maximum suppression: of boxes that overlap, the one with the highest score stays.

Detectors differ in what they call the overlap of two boxes, so that both conventions are parameters.
"""

from __future__ import annotations

import torch

_BLOCK = 1024
"""Boxes that are compared with each other at once: memory is bounded by its square."""


def overlaps(a: torch.Tensor, b: torch.Tensor, *, inclusive: bool = False, minimum: bool = False) -> torch.Tensor:
    """How much each box of `a` has in common with each of `b`.

    Args:
        a: N×4: left, top, right, bottom.
        b: M×4.
        inclusive: Right and bottom are the last pixels that belong to a box, so that sides are longer by one.
        minimum: Compare what is in common with the smaller of the two, not with their union.

    Returns:
        N×M, in [0, 1].
    """
    extra = 1 if inclusive else 0
    near = torch.maximum(a[:, None, :2], b[None, :, :2])
    far = torch.minimum(a[:, None, 2:4], b[None, :, 2:4])
    common = (far - near + extra).clamp_(min=0).prod(dim=2)
    areas = [(boxes[:, 2:4] - boxes[:, :2] + extra).prod(dim=1) for boxes in (a, b)]
    if minimum:
        return common / torch.minimum(areas[0][:, None], areas[1][None])
    return common / (areas[0][:, None] + areas[1][None] - common)


def nms(
    boxes: torch.Tensor, scores: torch.Tensor, threshold: float, *, inclusive: bool = False, minimum: bool = False
) -> torch.Tensor:
    """Which boxes stay: from the best on, each removes those after it that overlap it by more than `threshold`.

    Whether a box stays depends on better ones alone. All of a block are therefore judged at once, by which of them seem
    to stay, until nothing changes: the same result as one by one, in a few steps. Boxes of no area overlap nothing.

    Args:
        boxes: N×4: left, top, right, bottom.
        scores: N; of equal ones the first counts as better.
        threshold: An overlap up to this is allowed.
        inclusive: As of `overlaps`.
        minimum: As of `overlaps`.

    Returns:
        Indices of those that stay, the best first.
    """
    order = scores.argsort(descending=True, stable=True)
    kept = order[:0]
    options = {"inclusive": inclusive, "minimum": minimum}
    for block in order.split(_BLOCK):
        for better in kept.split(_BLOCK):
            block = block[~(overlaps(boxes[better], boxes[block], **options) > threshold).any(dim=0)]
        removes = (overlaps(boxes[block], boxes[block], **options) > threshold).triu(diagonal=1)
        stays = torch.ones(len(block), dtype=torch.bool, device=boxes.device)
        while not torch.equal(stays, judged := ~(removes & stays[:, None]).any(dim=0)):
            stays = judged
        kept = torch.cat((kept, block[stays]))
    return kept
