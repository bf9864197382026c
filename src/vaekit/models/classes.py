"""What models share that learn classes of rows with the rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vaekit.models.decoder import output_size
from vaekit.models.encoder_decoder import EncoderDecoder
from vaekit.priors.base import PriorOfClasses


class ModelOfClasses(EncoderDecoder):
    """A latent-variable model that tells the class of a row, q(y | x), and whose prior draws codes of a class.

    Parameters
    ----------
    *parts
        Those of `EncoderDecoder`, with a `PriorOfClasses`.
    classifier : nn.Module
        From what the encoder reads to features [n, ...], on which q(y | x) stands.
    """

    prior: PriorOfClasses

    def __init__(self, *parts: Any, classifier: nn.Module) -> None:
        super().__init__(*parts)
        n_features = output_size(classifier, self.inputs.shape)
        self.classifier = nn.Sequential(classifier, nn.Flatten(), nn.Linear(n_features, self.prior.n_classes))

    def log_classes(self, inputs: Tensor) -> Tensor:
        """Return log q(y | x) in nats, [n, K], of what the encoder reads [n, *inputs.shape].

        In float32 throughout: it is trained on small differences of its own answers, which bfloat16 would round away.
        """
        with torch.autocast(inputs.device.type, enabled=False):
            return self.classifier(inputs.float()).log_softmax(-1)
