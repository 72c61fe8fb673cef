"""What is taken away from, or turned down in, a model at one checkpoint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ablation:
    """The two solutions, each by a factor: logits = mean + generalising · P_K L + memorising · rest (science 2.13).

    (1, 1) is the model itself; (1, 0) gives the restricted loss and (0, 1) the excluded loss of the keys K.
    """

    generalising: float = 1.0
    memorising: float = 1.0

    @property
    def is_whole(self) -> bool:
        """Whether the model is as it was trained."""
        return self.generalising == 1.0 and self.memorising == 1.0
