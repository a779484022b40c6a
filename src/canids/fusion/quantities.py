"""What VGAE and GAT say of every window: their scores, and the quantities that the agent sees of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from canids.graphs.store import GRAPH_COLUMNS, READINGS, GraphStore
from canids.models.gat import Gat
from canids.models.scoring import score_gat, score_vgae
from canids.models.vgae import Vgae

QUANTITIES = (
    "vgae_error_nodes", "vgae_error_edges", "vgae_error_neighbourhood",
    "vgae_latent_mean", "vgae_latent_spread", "vgae_latent_max", "vgae_latent_kl", "vgae_confidence",
    "gat_ln_p_attack_free", "gat_ln_p_attack",
    "gat_embedding_mean", "gat_embedding_spread", "gat_embedding_min", "gat_embedding_max", "gat_confidence",
)  # fmt: skip
QUALITIES = tuple(f"{reading}_holds" for reading in READINGS)
STATE_WIDTH = len(QUANTITIES) + len(QUALITIES)


@dataclass(frozen=True)
class Scored:
    """One row per window.

    Attributes:
        vgae, gat: (w,) scores, larger is more suspicious.
        errors, latent, embedding: (w, 3), (w, 4), (w, 4), see ``models.scoring``.
        qualities: (w, 2) ``QUALITIES``. readings: (w,) int, see ``GraphStore.read_by``.
    """

    vgae: np.ndarray
    gat: np.ndarray
    errors: np.ndarray
    latent: np.ndarray
    embedding: np.ndarray
    qualities: np.ndarray
    readings: np.ndarray

    def quantities(self, vgae: np.ndarray, gat: np.ndarray) -> np.ndarray:
        """(w, 17) float32, ``QUANTITIES`` and ``QUALITIES`` as they are, given the calibrated probabilities ((w,))."""
        # As logarithms: the probabilities themselves saturate where the GAT is sure, and tell windows no longer apart.
        log_softmax = -np.logaddexp(0, np.stack([self.gat, -self.gat], axis=1))
        sighted = self.readings != 0
        return np.concatenate(
            [
                self.errors,
                self.latent,
                (np.abs(2 * vgae - 1) * sighted)[:, None],
                log_softmax,
                self.embedding,
                (np.abs(2 * gat - 1) * sighted)[:, None],
                self.qualities,
            ],
            axis=1,
        )


def score_stores(vgae: Vgae, gat: Gat, stores: Sequence[GraphStore]) -> Scored:
    """Run both models over the windows of some stores, in their order."""
    by_vgae = [score_vgae(vgae, store) for store in stores]
    by_gat = [score_gat(gat, store) for store in stores]
    graph = torch.cat([store.graph_features.float() for store in stores]).numpy()
    return Scored(
        vgae=torch.cat([each.score for each in by_vgae]).numpy(),
        gat=torch.cat([each.score for each in by_gat]).numpy(),
        errors=torch.cat([each.errors for each in by_vgae]).numpy(),
        latent=torch.cat([each.latent for each in by_vgae]).numpy(),
        embedding=torch.cat([each.embedding for each in by_gat]).numpy(),
        qualities=graph[:, [GRAPH_COLUMNS.index(name) for name in QUALITIES]],
        readings=np.concatenate([store.read_by.numpy() for store in stores]),
    )
