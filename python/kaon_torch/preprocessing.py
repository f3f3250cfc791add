"""Preprocessing of the features, computed in double precision as in kaon."""

import torch
from torch import nn

from .noise import neutral_noise
from .normal import normal_quantile

FEATURES = ["pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr"]
IMPACT_PARAMETERS = FEATURES[3:]


def stored_features(features):
    """The columns of `csts` for models of these features: the seven of `FEATURES`, then the others in their order."""
    return FEATURES + [name for name in features if name not in FEATURES]


def stored_columns(features):
    """The column of `csts` of each feature."""
    return [stored_features(features).index(name) for name in features]


CHARGED = {"negative hadron", "positive hadron", "electron", "positron", "muon", "antimuon"}


def neutral_identities(names):
    """The numbers of the identities that leave no track: all but `CHARGED` and those that begin with `charged`."""
    return [number for number, name in enumerate(names) if name not in CHARGED and not name.startswith("charged")]


def is_neutral(identities, neutral=(0, 2)):
    """True for constituents that leave no track: of jets, photons and neutral hadrons."""
    result = torch.zeros_like(identities, dtype=torch.bool)
    for number in neutral:
        result = result | (identities == number)
    return result


class QuantilePreprocessing(nn.Module):
    """Version 2: maps each feature to a standard normal distribution by its quantiles `[Q, features]`; the impact
    parameters of neutral constituents become standard normal noise."""

    MARGIN = 1e-7                  # values this close to the first or last quantile count as outside
    LIMIT = 5.199337582605575      # absolute value of the result for values outside

    def __init__(self, features, quantiles, seed=0, neutral=(0, 2)):
        super().__init__()
        self.neutral = neutral
        self.features, self.seed = features, seed
        self.register_buffer("quantiles", quantiles.double(), persistent=False)

    @property
    def has_noise(self):
        """True if a feature is replaced by noise for neutral constituents."""
        return any(name in IMPACT_PARAMETERS for name in self.features)

    def forward(self, csts, identities, jets=None, noise="kaon"):
        result = self._transform(csts[..., stored_columns(self.features)].double())
        if self.has_noise:
            numbers = self._noise(csts, jets, noise).to(result)
            # The column of the noise for each feature; any for those that are not replaced.
            numbers = numbers[
                ..., [IMPACT_PARAMETERS.index(name) if name in IMPACT_PARAMETERS else 0 for name in self.features]]
            replaced = torch.tensor([name in IMPACT_PARAMETERS for name in self.features], device=result.device)
            result = torch.where(is_neutral(identities, self.neutral)[..., None] & replaced, numbers, result)
        return result.float()

    def _transform(self, x):
        last = len(self.quantiles) - 1
        below, up_to = self._count(x, torch.lt), self._count(x, torch.le)
        low = (up_to - 1).clamp(0, last - 1)
        step = (self._at(low + 1) - self._at(low)).clamp(min=torch.finfo(x.dtype).tiny)
        position = low + (x - self._at(low)) / step
        # Equal quantiles form a step; a value on a step is mapped to its middle.
        position = torch.where(up_to > below, 0.5 * (below + up_to - 1), position)
        y = normal_quantile((position / last).clamp(0, 1)).clamp(-self.LIMIT, self.LIMIT)
        y = torch.where(x + self.MARGIN > self.quantiles[last], self.LIMIT, y)
        # Of a constant feature every value is at both ends; the lower one wins.
        return torch.where(x - self.MARGIN < self.quantiles[0], -self.LIMIT, y)

    def _at(self, rows):
        """The quantiles in these rows, `[..., features]`."""
        count = len(self.features)
        return self.quantiles.flatten()[rows * count + torch.arange(count, device=rows.device)]

    def _count(self, x, is_before):
        """The number of quantiles before x, by bisection with operations that ONNX has."""
        size = len(self.quantiles)
        count = torch.zeros_like(x, dtype=torch.int64)
        step = 1 << (size.bit_length() - 1)
        while step:
            further = count + step
            is_further = (further <= size) & is_before(self._at(further.clamp(max=size) - 1), x)
            count = torch.where(is_further, further, count)
            step //= 2
        return count

    def _noise(self, csts, jets, noise):
        if noise == "kaon":
            jets = torch.arange(csts.shape[0]) if jets is None else torch.as_tensor(jets)
            places = torch.arange(csts.shape[1], device=csts.device)
            return neutral_noise(self.seed, jets.to(csts.device, torch.int64), places)
        if noise == "random":
            return torch.randn(*csts.shape[:2], len(IMPACT_PARAMETERS), device=csts.device)
        if noise == "zero":
            return csts.new_zeros(*csts.shape[:2], len(IMPACT_PARAMETERS))
        raise ValueError(f"noise must be 'kaon', 'random' or 'zero', not {noise!r}")


class StandardPreprocessing(nn.Module):
    """Version 1: logarithm of pT and of the impact parameters, then mean 0 and standard deviation 1; the impact
    parameters of neutral constituents become 0."""

    has_noise = False

    def __init__(self, features, means, deviations, neutral=(0, 2)):
        super().__init__()
        self.neutral = neutral
        self.features = features
        self.register_buffer("means", means.double(), persistent=False)
        self.register_buffer("deviations", deviations.double(), persistent=False)

    def forward(self, csts, identities, jets=None, noise=None):
        columns = []
        for name, stored in zip(self.features, stored_columns(self.features)):
            x = csts[..., stored].double()
            # log(1 + x) instead of log1p, which ONNX does not have; in double precision this is exact enough.
            if name == "pt":
                x = x.sign() * (1 + x.abs()).log()
            elif name in IMPACT_PARAMETERS:
                x = x.sign() * (1 + x.abs() / 0.01).log()
            columns.append(x)
        result = (torch.stack(columns, -1) - self.means) / self.deviations
        replaced = torch.tensor([name in IMPACT_PARAMETERS for name in self.features], device=result.device)
        return result.masked_fill(is_neutral(identities, self.neutral)[..., None] & replaced, 0).float()


class UnfittedPreprocessing(nn.Module):
    """Stands for the missing preprocessing of a model that `kaon-import` has converted without one."""

    has_noise = False

    def __init__(self, features):
        super().__init__()
        self.features = features

    def forward(self, csts, identities, jets=None, noise=None):
        raise RuntimeError(
            "the model was imported without a preprocessing; assign a QuantilePreprocessing to its attribute "
            "'preprocessing', call 'encode' with preprocessed features, or give kaon-import --preprocessor")
