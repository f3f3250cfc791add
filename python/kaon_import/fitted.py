"""Reads what jetssl fits to data: the quantile transformer of the features, and the k-means centroids."""

import os
import warnings

import numpy as np
from kaon_data import DataError

from .layout import FEATURES
from .sources import read_source


def read_quantiles(path, features, trusts_pickle=False):
    """Quantiles `[quantiles, features]` of a fitted QuantileTransformer, or of an array in a file of NumPy.

    Its columns are the features of the model in their order, given by name, or else all seven in the order of jetssl.

    Raises `DataError`, also for a pickle unless `trusts_pickle`.
    """
    path = str(path)
    if path.endswith(".npy"):
        quantiles = _array(path)
    else:
        _check_exists(path)
        if not trusts_pickle:
            raise DataError(
                f"{path} is a pickle, and loading it runs the code that it contains; give --trust-pickle if you trust "
                "its author")
        quantiles = _of_transformer(path)
    if quantiles.ndim != 2 or len(quantiles) < 2:
        raise DataError(f"{path} holds quantiles of the shape {list(quantiles.shape)}, expected [quantiles, features]")
    found = quantiles.shape[1]
    if found not in (len(features), len(FEATURES)):
        raise DataError(f"{path} is fitted to {found} features, the model has {len(features)}")
    if found > len(features):
        # jetssl fits one transformer to all features, also for models with fewer.
        quantiles = quantiles[:, [FEATURES.index(name) for name in features]]
    quantiles = np.ascontiguousarray(quantiles, np.float64)
    if not np.isfinite(quantiles).all() or (np.diff(quantiles, axis=0) < 0).any():
        raise DataError(f"{path} holds quantiles that are not finite or not in increasing order")
    return quantiles


def _of_transformer(path):
    try:
        import joblib
        import sklearn  # noqa: F401
    except ImportError:
        raise DataError(
            f"reading {path} needs joblib and scikit-learn: pip install './python[import]'") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")     # about the version of scikit-learn
            transformer = joblib.load(path)
    except Exception as error:      # unpickling runs code, which fails in any way
        raise DataError(f"{path} cannot be unpickled: {type(error).__name__}: {error}") from None
    quantiles = getattr(transformer, "quantiles_", None)
    if quantiles is None:
        raise DataError(f"{path} holds a {type(transformer).__name__}, expected a fitted QuantileTransformer")
    if (distribution := getattr(transformer, "output_distribution", None)) != "normal":
        raise DataError(f"{path} transforms to the distribution {distribution!r}, expected 'normal'")
    references = np.asarray(getattr(transformer, "references_", []))
    if references.shape != (len(quantiles),) or not np.allclose(references, np.linspace(0, 1, len(quantiles))):
        raise DataError(f"{path} has quantiles that are not evenly spaced between 0 and 1")
    return np.asarray(quantiles)


def read_centroids(path, clusters, features):
    """Centroids `[clusters, features]` of a pickled KMeans of torchpq, a file of tensors, or an array of NumPy.

    No code is run. Raises `DataError`.
    """
    path = str(path)
    if path.endswith(".npy"):
        centroids, name = _array(path), "array"
    else:
        source = read_source(path, trusts_pickle=True)
        name = "centroids" if "centroids" in source.tensors else next(iter(source.tensors))
        if len(source.tensors) > 1 and name != "centroids":
            raise DataError(f"{path} has no tensor centroids; its first is {name}")
        tensor = source.tensors[name]
        if tensor.type != "float32":
            raise DataError(f"{path}: the tensor {name} has the type {tensor.type}, expected float32")
        centroids = tensor.values
        # torchpq stores one column for each cluster.
        if centroids.shape == (features, clusters):
            centroids = centroids.T
    return checked_centroids(path, name, centroids, clusters, features)


def checked_centroids(path, name, centroids, clusters, features):
    if centroids.shape != (clusters, features):
        raise DataError(
            f"{path}: the {name} has the shape {list(centroids.shape)}, the model has {clusters} clusters of "
            f"{features} features")
    if not np.isfinite(centroids).all():
        raise DataError(f"{path}: the {name} has values that are not finite")
    return np.ascontiguousarray(centroids, np.float32)


def _array(path):
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as an array of NumPy: {error}") from None
    if array.dtype.kind != "f":
        raise DataError(f"{path} holds values of the type {array.dtype}, expected floating-point numbers")
    return array


def _check_exists(path):
    if not os.path.isfile(path):
        raise DataError(f"{path}: no such file")
