"""Inputs that are tokens: each constituent is replaced by the vector of its token."""

import torch
from torch import nn


def nearest(points, vectors):
    """Replaces each point `[..., C]` by the nearest of the vectors `[K, C]`."""
    scores = points @ vectors.T - vectors.square().sum(-1) / 2
    return vectors[scores.argmax(-1)]


class KMeansInputs(nn.Module):
    """Replaces every constituent by the centroid of its cluster."""

    def __init__(self, centroids):
        super().__init__()
        self.register_buffer("centroids", centroids, persistent=False)

    def forward(self, values, mask):
        return nearest(values, self.centroids)


class BinInputs(nn.Module):
    """Replaces every constituent by a vector with a one at the bin of each feature."""

    def __init__(self, borders):
        super().__init__()
        self.register_buffer("borders", borders, persistent=False)

    def forward(self, values, mask):
        bins = (values[..., None] >= self.borders).sum(-1)
        return nn.functional.one_hot(bins, self.borders.shape[1] + 1).flatten(-2).to(values.dtype)


class CodeInputs(nn.Module):
    """Replaces every constituent by its code vector in a VQ-VAE, which depends on the whole jet."""

    def __init__(self, embedding, encoder, codes, scale, bias, affine_rate):
        super().__init__()
        self.embedding, self.encoder = embedding, encoder
        self.to_latent = nn.Linear(embedding.continuous.out_features, codes.shape[1])
        codebook = (1 + affine_rate * scale) * codes + affine_rate * bias
        self.register_buffer("codebook", codebook, persistent=False)

    @torch.no_grad()
    def forward(self, values, mask):
        latents, _ = self.encoder(self.embedding(values, None), mask)
        return nearest(self.to_latent(latents), self.codebook)
