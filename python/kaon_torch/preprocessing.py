"""Preprocessing of the features, computed in double precision as in kaon."""

import torch
from torch import nn

from .noise import neutral_noise

FEATURES = ["pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr"]
IMPACT_PARAMETERS = FEATURES[3:]


def is_neutral(identities):
    """True for photons and neutral hadrons, which leave no track."""
    return (identities == 0) | (identities == 2)


class QuantilePreprocessing(nn.Module):
    """Version 2: maps each feature to a standard normal distribution by its quantiles `[Q, features]`; the impact
    parameters of neutral constituents become standard normal noise."""

    MARGIN = 1e-7                  # values this close to the first or last quantile count as outside
    LIMIT = 5.199337582605575      # absolute value of the result for values outside

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
        # Equal quantiles form a step; a value on a step is mapped to its middle.
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
        raise ValueError(f"noise must be 'kaon', 'random' or 'zero', not {noise!r}")


class StandardPreprocessing(nn.Module):
    """Version 1: logarithm of pT and of the impact parameters, then mean 0 and standard deviation 1; the impact
    parameters of neutral constituents become 0."""

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


class UnfittedPreprocessing(nn.Module):
    """Stands for the missing preprocessing of a model that `kaon-import` has converted without one."""

    def __init__(self, features):
        super().__init__()
        self.features = features

    def forward(self, csts, identities, jets=None, noise=None):
        raise RuntimeError(
            "the model was imported without a preprocessing; assign a QuantilePreprocessing to its attribute "
            "'preprocessing', call 'encode' with preprocessed features, or give kaon-import --preprocessor")
