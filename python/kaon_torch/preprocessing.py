"""What features become before a network sees them. It is computed in double precision, like in kaon."""

import torch
from torch import nn

from .noise import neutral_noise

FEATURES = ["pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr"]
IMPACT_PARAMETERS = FEATURES[3:]


def is_neutral(identities):
    """Photons and neutral hadrons, which leave no track."""
    return (identities == 0) | (identities == 2)


class QuantilePreprocessing(nn.Module):
    """Version 2: each feature to a standard normal distribution through its quantiles `[Q, features]`; the impact
    parameters of neutral constituents become standard normal noise."""

    MARGIN = 1e-7                  # values this close to the ends are beyond them
    LIMIT = 5.199337582605575      # what the ends become

    def __init__(self, features, quantiles, seed=0):
        super().__init__()
        self.features, self.seed = features, seed
        self.register_buffer("quantiles", quantiles.double(), persistent=False)

    def forward(self, csts, identities, jets=None, noise="kaon"):
        result = torch.stack(
            [self._transform(csts[..., FEATURES.index(name)], column) for column, name in enumerate(self.features)], -1)
        columns = [i for i, name in enumerate(self.features) if name in IMPACT_PARAMETERS]
        if columns:
            kinds = [IMPACT_PARAMETERS.index(self.features[i]) for i in columns]
            numbers = self._noise(csts.shape[:2], jets, noise).to(result)[..., kinds]
            neutral = is_neutral(identities)[..., None]
            result[..., columns] = torch.where(neutral, numbers, result[..., columns])
        return result.float()

    def _transform(self, stored, column):
        x, q = stored.double().contiguous(), self.quantiles[:, column].contiguous()
        last = len(q) - 1
        low = (torch.searchsorted(q, x, right=True) - 1).clamp(0, last - 1)
        first = torch.searchsorted(q, x)
        # Quantiles that are equal are a step; a value on it becomes its middle.
        on_step = q[first.clamp(max=last)] == x
        step = (q[low + 1] - q[low]).clamp(min=torch.finfo(q.dtype).tiny)
        position = low + (x - q[low]) / step
        top = (torch.searchsorted(q, x, right=True) - 1).clamp(min=0)
        position = torch.where(on_step, 0.5 * (first + top), position)
        y = torch.special.ndtri((position / last).clamp(0, 1)).clamp(-self.LIMIT, self.LIMIT)
        y = torch.where(x - self.MARGIN < q[0], -self.LIMIT, y)
        return torch.where(x + self.MARGIN > q[-1], self.LIMIT, y)

    def _noise(self, shape, jets, noise):
        if noise == "kaon":
            numbers = torch.arange(shape[0]) if jets is None else torch.as_tensor(jets)
            return torch.from_numpy(neutral_noise(self.seed, numbers.cpu().numpy(), shape[1]))
        if noise == "random":
            return torch.randn(*shape, len(IMPACT_PARAMETERS))
        if noise == "zero":
            return torch.zeros(*shape, len(IMPACT_PARAMETERS))
        raise ValueError(f"noise is 'kaon', 'random' or 'zero', not {noise!r}")


class StandardPreprocessing(nn.Module):
    """Version 1: pT and the impact parameters through a logarithm, then mean 0 and deviation 1; the impact parameters of
    neutral constituents become 0."""

    def __init__(self, features, means, deviations):
        super().__init__()
        self.features = features
        self.register_buffer("means", means.double(), persistent=False)
        self.register_buffer("deviations", deviations.double(), persistent=False)

    def forward(self, csts, identities, jets=None, noise=None):
        columns = []
        for name in self.features:
            x = csts[..., FEATURES.index(name)].double()
            if name == "pt":
                x = x.sign() * x.abs().log1p()
            elif name in IMPACT_PARAMETERS:
                x = x.sign() * (x.abs() / 0.01).log1p()
            columns.append(x)
        result = (torch.stack(columns, -1) - self.means) / self.deviations
        for column, name in enumerate(self.features):
            if name in IMPACT_PARAMETERS:
                result[..., column] = result[..., column].masked_fill(is_neutral(identities), 0)
        return result.float()
