"""Names and shapes of the tensors of jetssl's models in the three generations of that code, and their names in kaon."""

import enum
from typing import NamedTuple

import numpy as np

FEATURES = ("pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr")
IDENTITIES = 8
FLOW_MATCHING = "tasks.flow_matching"


class Generation(enum.Enum):
    """Names of jetssl: until August 2024, from September to October 2024, and since (January 2025)."""

    AUGUST_2024 = "jetssl-2024-08"
    OCTOBER_2024 = "jetssl-2024-10"
    LATEST = "jetssl"


class Entry(NamedTuple):
    """A tensor: its name and shape in jetssl, and its name in kaon. `kaon` is empty for constants."""

    name: str
    shape: tuple
    kaon: str = ""
    type: str = "float32"


class Missing(NamedTuple):
    """A parameter of kaon that a generation does not have, with its constant value."""

    kaon: str
    values: np.ndarray


class Transformer(NamedTuple):
    """Shape of an encoder or a decoder."""

    width: int
    layers: int
    multiplier: int = 2
    registers: int = 0
    has_scale: bool = True
    has_final_norm: bool = False


class Flow(NamedTuple):
    """Shape of the head `flow`. `context_place` is `input` (input and hidden layers) or `hidden` (hidden and output
    layers)."""

    context: int
    layers: int
    width: int
    depth: int
    bins: int
    context_place: str


class FlowMatching(NamedTuple):
    """Shape of the head `diff`."""

    condition: int
    width: int
    layers: int
    times: int


class Model(NamedTuple):
    """Shape of a backbone, or with a decoder of a whole model."""

    features: int
    encoder: Transformer
    has_identity: bool = True
    decoder: Transformer | None = None
    null_tokens: int = 0
    has_particle_id: bool = False
    has_regression: bool = False
    clusters: int = 0
    flow: Flow | None = None
    flow_matching: FlowMatching | None = None


def entries(model, generation):
    """All tensors of a model, as `Entry` and `Missing`."""
    width = model.encoder.width
    yield Entry("csts_emb.weight", (width, model.features), "embedding.continuous.weight")
    yield Entry("csts_emb.bias", (width,), "embedding.continuous.bias")
    if model.has_identity:
        yield Entry("csts_id_emb.weight", (IDENTITIES, width), "embedding.identity.weight")
    yield from _transformer("encoder", model.encoder, generation)
    if model.decoder is None:
        return
    inner = model.decoder.width
    yield from _transformer("decoder", model.decoder, generation)
    yield from _linear("enc_to_dec", width, inner, "encoder_to_decoder")
    yield Entry("null_token", (model.null_tokens, inner), "decoder.null_tokens")
    if model.has_particle_id:
        yield from _linear("tasks.id.head", inner, IDENTITIES, "tasks.particle_id.head")
    if model.has_regression:
        yield from _linear("tasks.reg.head", inner, model.features, "tasks.regression.head")
    if model.clusters:
        yield from _linear("tasks.kmeans.head", inner, model.clusters, "tasks.kmeans.head")
    if model.flow:
        yield from _flow(model.flow, inner, model.features)
    if model.flow_matching:
        yield from _flow_matching(model.flow_matching, inner, model.features, generation)


def _linear(name, inputs, outputs, kaon):
    yield Entry(f"{name}.weight", (outputs, inputs), f"{kaon}.weight" if kaon else "")
    yield Entry(f"{name}.bias", (outputs,), f"{kaon}.bias" if kaon else "")


def _norm(name, width, kaon):
    yield Entry(f"{name}.weight", (width,), f"{kaon}.weight")
    yield Entry(f"{name}.bias", (width,), f"{kaon}.bias")


def _transformer(part, shape, generation):
    if shape.registers:
        yield Entry(f"{part}.registers", (1, shape.registers, shape.width), f"{part}.registers")
    for layer in range(shape.layers):
        yield from _block(f"{part}.layers.{layer}", shape, generation)
    if shape.has_final_norm:
        yield from _norm(f"{part}.final_norm", shape.width, f"{part}.final_norm")


def _block(block, shape, generation):
    width = shape.width
    attention = f"{block}.res_attn" if generation is Generation.OCTOBER_2024 else f"{block}.attn"
    maps = ("attn_in.weight", "attn_in.bias") if generation is Generation.LATEST else ("attn_in_w", "attn_in_b")
    scale = "ls.gamma" if generation is Generation.AUGUST_2024 else "gate"
    yield Entry(f"{attention}.fn.{maps[0]}", (3 * width, width), f"{block}.attention.qkv.weight")
    yield Entry(f"{attention}.fn.{maps[1]}", (3 * width,), f"{block}.attention.qkv.bias")
    yield from _linear(f"{attention}.fn.attn_out", width, width, f"{block}.attention.output")
    hidden = shape.multiplier * width
    yield from _linear(f"{block}.ff.fn.lin1", width, 2 * hidden, f"{block}.feedforward.input")
    yield from _linear(f"{block}.ff.fn.lin2", hidden, width, f"{block}.feedforward.output")
    for name, kaon in ((attention, "attention"), (f"{block}.ff", "feedforward")):
        if generation is Generation.LATEST:
            # The norms of this generation have no weights.
            yield Missing(f"{block}.{kaon}_norm.weight", np.ones(width, np.float32))
            yield Missing(f"{block}.{kaon}_norm.bias", np.zeros(width, np.float32))
        else:
            yield from _norm(f"{name}.norm", width, f"{block}.{kaon}_norm")
        if shape.has_scale:
            yield Entry(f"{name}.{scale}", (width,), f"{block}.{kaon}_scale")


def _flow(flow, width, features):
    yield from _linear("tasks.flow.head", width, flow.context, "tasks.flow.context")
    base = "tasks.flow.flow"
    yield Entry(f"{base}.q0.loc", (1, features))
    yield Entry(f"{base}.q0.log_scale", (1, features))
    for layer in range(flow.layers):
        name, kaon = f"{base}.flows.{layer}.prqct", f"tasks.flow.flow.layers.{layer}"
        moved = len(range(1 - layer % 2, features, 2))
        kept = features - moved
        yield Entry(f"{name}.identity_features", (kept,), type="int64")
        yield Entry(f"{name}.transform_features", (moved,), type="int64")
        for part, columns in (("widths", flow.bins), ("heights", flow.bins), ("derivatives", flow.bins - 1)):
            yield Entry(f"{name}.unconditional_transform.unnormalized_{part}", (kept, columns), f"{kaon}.spline.{part}")
        has_input, has_output = flow.context_place == "input", flow.context_place == "hidden"
        net, ours = f"{name}.transform_net", f"{kaon}.network"
        yield from _linear(f"{net}.input_block.layers.0", kept + has_input * flow.context, flow.width, f"{ours}.input")
        for hidden in range(flow.depth - 1):
            yield from _linear(
                f"{net}.hidden_blocks.{hidden}.layers.0", flow.width + flow.context, flow.width,
                f"{ours}.hidden.{hidden}")
        yield from _linear(
            f"{net}.output_block.layers.0", flow.width + has_output * flow.context, moved * (3 * flow.bins - 1),
            f"{ours}.output")


def _flow_matching(head, width, features, generation):
    yield from _linear("tasks.diff.head", width, head.condition, f"{FLOW_MATCHING}.condition")
    time = "tasks.diff.diff.time_encoder"
    latest = generation is Generation.LATEST
    for name in ("min_value", "max_value") + (("range",) if latest else ()):
        yield Entry(f"{time}.{name}", ())
    yield Entry(f"{time}.freqs", (head.times,) if latest else (head.times, 1))
    for network, kaon in (("mlp", FLOW_MATCHING), ("ema_mlp", f"objective/{FLOW_MATCHING.replace('.', '/')}/average")):
        ours = f"{kaon}{'/' if '/' in kaon else '.'}head"
        for layer in range(head.layers):
            block = "input_block" if layer == 0 else f"hidden_blocks.{layer - 1}"
            inputs = features + head.times + head.condition if layer == 0 else head.width
            name = f"tasks.diff.diff.{network}.{block}.layers"
            yield from _linear(f"{name}.0", inputs, head.width, f"{ours}.layers.{layer}.linear")
            yield from _norm(f"{name}.2", head.width, f"{ours}.layers.{layer}.norm")
        yield from _linear(
            f"tasks.diff.diff.{network}.output_block.layers.0", head.width, features, f"{ours}.output")
