"""Infers the shape of a model of jetssl from the names and shapes of its tensors."""

import re

from kaon_data import DataError

from .layout import Flow, FlowMatching, Generation, Model, Transformer, entries, Entry

_UNKNOWN = {
    "qk_norm": "a norm of queries and keys", "q_norm": "a norm of queries and keys",
    "k_norm": "a norm of queries and keys", "ctxt_layer": "a context of the jet", "jets_emb": "a context of the jet",
    "jet_emb": "a context of the jet", "ctxt_emb": "a context of the jet", "ctxt_mixer": "a context of the jet",
    "abs_enc": "an absolute position", "rotary": "a rotary position", "linear_embed": "an additional linear map",
    "linear_out": "an additional linear map", "id_one_hot": "a head that is given the identity",
    "tasks.vae": "a VQ-VAE of another architecture", "kv_cache": "a cache",
}


def generation_of(source):
    """The generation of the names in a file. Raises `DataError` if they are those of another program."""
    names = source.tensors
    for pattern, generation in (
            (r"encoder\.layers\.\d+\.res_attn\.", Generation.OCTOBER_2024),
            (r"encoder\.layers\.\d+\.attn\.fn\.attn_in\.", Generation.LATEST),
            (r"encoder\.layers\.\d+\.attn\.fn\.attn_in_[wb]$", Generation.AUGUST_2024)):
        if any(re.match(pattern, name) for name in names):
            return generation
    shown = ", ".join(list(names)[:3])
    hint = next((f"; give --prefix {name[:match.start()]}" for name in names
                 if (match := re.search(r"(?<=\.)csts_emb\.weight$", name))), "")
    raise DataError(
        f"{source.path} is of another architecture: it has no tensor such as encoder.layers.0.attn.fn.attn_in_w; its "
        f"first are {shown}{hint}")


class Inference:
    """The shape of the model in a source, and checks of its tensors."""

    def __init__(self, source, generation, only_backbone=False):
        self.source, self.generation, self.only_backbone = source, generation, only_backbone
        self.model = self._model()

    def _shape(self, name, rank=None):
        tensor = self.source.tensors.get(name)
        if tensor is None:
            raise DataError(
                f"{self.source.path} has no tensor {name}, which a model with the names of {self.generation.value} has")
        shape = tensor.values.shape
        if rank is not None and (len(shape) != rank or 0 in shape):
            raise DataError(
                f"{self.source.path}: the tensor {name} has the shape {list(shape)}, expected {rank} dimensions")
        return shape

    def _has(self, name):
        return name in self.source.tensors

    def _count(self, pattern):
        """One more than the largest number in the names that match."""
        found = [int(match.group(1)) for name in self.source.tensors if (match := re.match(pattern, name))]
        return max(found, default=-1) + 1

    def _model(self):
        width, features = self._shape("csts_emb.weight", 2)
        model = Model(features, self._transformer("encoder", width), self._has("csts_id_emb.weight"))
        if self.only_backbone or not any(map(self._is_of_whole_model, self.source.tensors)):
            return model
        if not self._has("enc_to_dec.weight"):
            raise DataError(
                f"{self.source.path} has no tensor enc_to_dec.weight: kaon has no whole model of version 2 without a "
                "decoder; --backbone imports the backbone alone")
        null_tokens, inner = self._shape("null_token", 2)
        return model._replace(
            decoder=self._transformer("decoder", inner), null_tokens=null_tokens,
            has_particle_id=self._has("tasks.id.head.weight"), has_regression=self._has("tasks.reg.head.weight"),
            clusters=self._shape("tasks.kmeans.head.weight", 2)[0] if self._has("tasks.kmeans.head.weight") else 0,
            flow=self._flow(features), flow_matching=self._flow_matching(features))

    @staticmethod
    def _is_of_whole_model(name):
        return name.startswith(("decoder.", "enc_to_dec.", "tasks.", "null_token"))

    def _transformer(self, part, width):
        first = f"{part}.layers.0"
        scale = "attn.ls.gamma" if self.generation is Generation.AUGUST_2024 else ""
        layers = self._count(rf"{part}\.layers\.(\d+)\.")
        hidden = self._shape(f"{first}.ff.fn.lin2.weight", 2)[1] if layers else 2 * width
        if hidden % width:
            raise DataError(
                f"{self.source.path}: the tensor {first}.ff.fn.lin2.weight has {hidden} columns, expected a multiple "
                f"of the width {width}")
        return Transformer(
            width, layers, hidden // width,
            registers=self._shape(f"{part}.registers", 3)[1] if self._has(f"{part}.registers") else 0,
            has_scale=not scale or self._has(f"{first}.{scale}"),
            has_final_norm=self._has(f"{part}.final_norm.weight"))

    def _flow(self, features):
        if not self._has("tasks.flow.head.weight"):
            return None
        context = self._shape("tasks.flow.head.weight", 2)[0]
        first = "tasks.flow.flow.flows.0.prqct"
        width, inputs = self._shape(f"{first}.transform_net.input_block.layers.0.weight", 2)
        outputs = self._shape(f"{first}.transform_net.output_block.layers.0.weight", 2)[1]
        kept = len(range(0, features, 2))
        place = {(kept + context, width): "input", (kept, width + context): "hidden"}.get((inputs, outputs))
        if place is None:
            raise DataError(
                f"{self.source.path}: the tensor {first}.transform_net.input_block.layers.0.weight has {inputs} "
                "inputs: the context of kaon's flows enters the input and hidden layers, or the hidden and output "
                "layers; --backbone imports the backbone alone")
        return Flow(
            context, self._count(r"tasks\.flow\.flow\.flows\.(\d+)\."), width,
            self._count(re.escape(f"{first}.transform_net.hidden_blocks.") + r"(\d+)\.") + 1,
            self._shape(f"{first}.unconditional_transform.unnormalized_widths", 2)[1], place)

    def _flow_matching(self, features):
        if not self._has("tasks.diff.head.weight"):
            return None
        condition = self._shape("tasks.diff.head.weight", 2)[0]
        first = "tasks.diff.diff.mlp"
        width, inputs = self._shape(f"{first}.input_block.layers.0.weight", 2)
        return FlowMatching(
            condition, width, self._count(re.escape(f"{first}.hidden_blocks.") + r"(\d+)\.") + 1,
            inputs - features - condition)

    def check(self, ignored):
        """Raises `DataError` unless the source has exactly the tensors of the model; `ignored` tests names."""
        path, wanted = self.source.path, {}
        for entry in entries(self.model, self.generation):
            if isinstance(entry, Entry):
                wanted[entry.name] = entry
        for name, entry in wanted.items():
            shape = self._shape(name)
            if tuple(shape) != entry.shape:
                raise DataError(
                    f"{path}: the tensor {name} has the shape {list(shape)}, expected {list(entry.shape)}")
            self._check_type(name, entry.type)
        for name in self.source.tensors:
            if name not in wanted and not ignored(name):
                what = next((text for part, text in _UNKNOWN.items() if part in name), None)
                advice = "" if self.model.decoder is None else "; --backbone imports the backbone alone"
                raise DataError(
                    f"{path} has the tensor {name}, " +
                    (f"{what}, which kaon does not have" if what else "for which kaon has no place") +
                    (advice if not name.startswith("encoder.") else ""))

    def _check_type(self, name, wanted):
        found = self.source.tensors[name].type
        if found != wanted:
            advice = "; convert the model with .float() before saving it" if wanted == "float32" else ""
            raise DataError(f"{self.source.path}: the tensor {name} has the type {found}, expected {wanted}{advice}")
