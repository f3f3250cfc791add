"""Compares PyTorch with `kaon bench`: the same model, jets, training step and figures, on the CPU.

The baseline is tuned by hand within PyTorch's own operations: no padding, one call of the fused attention for jets of
equal length, logits of the tokens computed in blocks of rows. Jets are sorted by length within a step, so that few
calls are needed. `--padded` and `--padded-to` are the simpler alternatives with padding and a mask; padding does not
count in `model_gflops`.

Install PyTorch; on Linux the second command installs the CPU-only wheel, which is much smaller:

    pip install torch numpy
    pip install torch numpy --index-url https://download.pytorch.org/whl/cpu

Against `kaon bench parallel.threads=1 training.batch_size=512`:

    python python/bench_pytorch.py --batch 512
    python python/bench_pytorch.py --batch 512 --padded
    python python/bench_pytorch.py --batch 512 --padded-to 128
    python python/bench_pytorch.py --batch 512 --autocast

Against `kaon bench configs/small/mpmv2-kmeans.yaml parallel.threads=1`:

    python python/bench_pytorch.py --batch 256 --width 128 --layers 4 --decoder-width 64 --decoder-layers 2 \\
        --heads 8 --decoder-heads 4 --clusters 512 --layer-scale 0.1

To check that all variants compute the same gradient, and that the loss decreases on a repeated batch:

    python python/bench_pytorch.py --check
"""

import argparse
import re
import resource
import sys
import time
from contextlib import nullcontext
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def option_parser():
    def positive(text):
        if int(text) < 1:
            raise argparse.ArgumentTypeError(f"{text} is not positive")
        return int(text)

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=argparse.SUPPRESS)
    add = parser.add_argument
    add("--threads", type=positive, default=1, metavar="N", help="default %(default)s")
    add("--micro-batch", type=positive, default=64, metavar="N", help="jets (default %(default)s)")
    add("--batch", type=positive, default=1000, metavar="N", help="jets per step (default %(default)s)")
    add("--seconds", type=float, default=20, help="repeat steps for at least this time (default %(default)s)")
    add("--steps", type=positive, metavar="N", help="repeat this number of steps instead")
    padding = parser.add_mutually_exclusive_group()
    padding.add_argument("--padded", action="store_true", help="pad to the longest jet of each micro-batch")
    padding.add_argument("--padded-to", type=positive, metavar="N", help="pad to N slots, at least 128")
    add("--autocast", action="store_true", help="products in bfloat16")
    for name, default, what in [
        ("--width", 512, "of the encoder"), ("--layers", 8, "of the encoder"),
        ("--heads", 8, "of the encoder"),
        ("--decoder-width", 256, ""), ("--decoder-layers", 4, ""), ("--decoder-heads", 4, ""),
        ("--clusters", 16384, "k-means tokens"),
    ]:
        add(name, type=positive, default=default, metavar="N", help=f"{what} (default %(default)s)".strip())
    add("--layer-scale", type=float, default=1e-3, help="initial residual scales (default %(default)s)")
    add("--regression", action="store_true", help="also predict the continuous features, with the L1 loss")
    add("--check", action="store_true", help="check gradients and learning instead of measuring")
    version = re.search('kaonVersion = "(.*)"', (ROOT / "Sources/System/Version.swift").read_text()).group(1)
    add("--version", action="version", version=f"kaon {version}")
    return parser


# Before PyTorch is imported, which takes seconds and may be missing.
if __name__ == "__main__":
    PARSER = option_parser()
    OPTIONS = PARSER.parse_args()

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

from bench_jets import (  # noqa: E402
    FEATURES, FEED_FORWARD_MULTIPLIER, IDENTITIES, MAX_CONSTITUENTS, REGISTERS,
    MicroBatch, micro_batches, synthetic_jets)

SMOOTHING = 0.1
IDENTITY_WEIGHT = 0.3


# The model.

class SwiGLU(torch.autograd.Function):
    """silu(a) · v, which saves only its input [a | v] for the gradient."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        a, v = x.chunk(2, -1)
        return F.silu(a).mul_(v)

    @staticmethod
    def backward(ctx, dy):
        x, = ctx.saved_tensors
        a, v = x.chunk(2, -1)
        dx = torch.empty_like(x)
        da, dv = dx.chunk(2, -1)
        torch.mul(F.silu(a), dy, out=dv)
        torch.ops.aten.silu_backward.grad_input(dy * v, a, grad_input=da)
        return dx


class SummedTokenLoss(torch.autograd.Function):
    """The summed cross-entropy of x Wᵀ + b with label smoothing, in blocks of rows that fit into the cache."""

    BLOCK = 256

    @staticmethod
    def forward(ctx, x, weight, bias, target):
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else weight.dtype
        classes = len(weight)
        w = weight.to(kind)
        dx, dw, db = torch.empty_like(x), torch.zeros_like(weight), torch.zeros_like(bias)
        loss = torch.zeros(())
        with torch.autocast("cpu", enabled=False):
            for first in range(0, len(x), SummedTokenLoss.BLOCK):
                rows = slice(first, first + SummedTokenLoss.BLOCK)
                inputs, label = x[rows].to(kind), target[rows, None]
                logits = torch.addmm(bias.to(kind), inputs, w.t()).float()
                p = logits.softmax(1)
                at_label, p_label = logits.gather(1, label), p.gather(1, label)
                normalisation = at_label - p_label.log()
                loss += normalisation.sum() - (1 - SMOOTHING) * at_label.sum()
                loss -= SMOOTHING / classes * logits.sum()
                p.scatter_add_(1, label, torch.full_like(p_label, SMOOTHING - 1)).sub_(SMOOTHING / classes)
                db += p.sum(0)
                p = p.to(kind)
                dx[rows] = p @ w
                dw.addmm_(p.t(), inputs) if kind == dw.dtype else dw.add_(p.t() @ inputs)
        ctx.save_for_backward(dx, dw, db)
        return loss

    @staticmethod
    def backward(ctx, scale):
        return *(gradient * scale for gradient in ctx.saved_tensors), None


def attention(qkv, attended, heads):
    """Queries, keys and values [rows, 3 width] to [rows, width]."""
    width = qkv.shape[1] // 3
    parts = []
    for (jets, length), part in zip(attended.blocks, qkv.split(attended.rows)):
        q, k, v = part.view(jets, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4).unbind()
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=attended.mask)
        parts.append(y.transpose(1, 2).reshape(jets * length, width))
    return torch.cat(parts)


class Block(nn.Module):
    def __init__(self, width, heads, layer_scale):
        super().__init__()
        hidden = FEED_FORWARD_MULTIPLIER * width
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_output = nn.Linear(width, width)
        self.attention_scale = nn.Parameter(torch.full((width,), layer_scale))
        self.feedforward_norm = nn.LayerNorm(width)
        self.feedforward_input = nn.Linear(width, 2 * hidden)
        self.feedforward_output = nn.Linear(hidden, width)
        self.feedforward_scale = nn.Parameter(torch.full((width,), layer_scale))
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)

    def forward(self, x, attended):
        y = attention(self.qkv(self.attention_norm(x)), attended, self.heads)
        x = torch.addcmul(x, self.attention_scale, self.attention_output(y))
        y = SwiGLU.apply(self.feedforward_input(self.feedforward_norm(x)))
        return torch.addcmul(x, self.feedforward_scale, self.feedforward_output(y))


class Model(nn.Module):
    """MPMv2 with k-means tokens: an encoder of the survivors, a decoder with null tokens, and the heads."""

    def __init__(self, options):
        super().__init__()
        width, decoder_width = options.width, options.decoder_width
        self.continuous = nn.Linear(FEATURES, width)
        self.identity = nn.Embedding(IDENTITIES, width)
        self.registers = nn.Parameter(1e-3 * torch.randn(REGISTERS, width))
        self.encoder = nn.ModuleList(
            Block(width, options.heads, options.layer_scale) for _ in range(options.layers))
        self.final_norm = nn.LayerNorm(width)
        self.encoder_to_decoder = nn.Linear(width, decoder_width)
        self.null_tokens = nn.Parameter(1e-3 * torch.randn(MAX_CONSTITUENTS, decoder_width))
        self.decoder = nn.ModuleList(
            Block(decoder_width, options.decoder_heads, options.layer_scale)
            for _ in range(options.decoder_layers))
        self.identity_head = nn.Linear(decoder_width, IDENTITIES)
        self.regression_head = nn.Linear(decoder_width, FEATURES) if options.regression else None
        self.token_head = nn.Linear(decoder_width, options.clusters)
        centroids = torch.randn(options.clusters, FEATURES)
        self.register_buffer("half_squares", centroids.square().sum(1) / 2)
        self.register_buffer("centroids", centroids.t().contiguous())

    def nearest(self, values):
        # In blocks of rows, whose distances fit into the cache.
        return torch.cat([
            torch.addmm(self.half_squares, part, self.centroids, alpha=-1).min(1).indices
            for part in values.split(32)])

    def forward(self, batch, jets_dropped):
        """The weighted loss, over the dropped constituents of the whole batch."""
        x = self.continuous(batch.values) + self.identity(batch.identities)
        x = torch.cat([self.registers, x]).index_select(0, batch.encoder_index)
        for block in self.encoder:
            x = block(x, batch.encoder)
        x = self.encoder_to_decoder(self.final_norm(x)).float()
        x = torch.cat([x, self.null_tokens]).index_select(0, batch.decoder_index)
        for block in self.decoder:
            x = block(x, batch.decoder)
        x = x.index_select(0, batch.dropped_rows)

        loss = IDENTITY_WEIGHT * F.cross_entropy(
            self.identity_head(x).float(), batch.target_identities, label_smoothing=SMOOTHING,
            reduction="sum")
        with torch.autocast("cpu", enabled=False):
            labels = self.nearest(batch.target_values)
        loss = loss + SummedTokenLoss.apply(x, self.token_head.weight, self.token_head.bias, labels)
        if self.regression_head is not None:
            difference = self.regression_head(x).float() - batch.target_values
            loss = loss + difference.abs().sum() / FEATURES
        return loss / jets_dropped


# Training and measuring.

class Trainer:
    def __init__(self, options, learning_rate):
        torch.manual_seed(0)
        self.options = options
        self.model = Model(options)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=learning_rate, weight_decay=1e-5, fused=True)
        self.operations = 0.0

    def gradient(self, parts):
        """Computes the gradient of the mean loss of all parts in the parameters, and returns the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        dropped = int(sum(part.dropped.sum() for part in parts))
        total = 0.0
        for part in parts:
            with torch.autocast("cpu", torch.bfloat16) if self.options.autocast else nullcontext():
                loss = self.model(part, dropped)
            loss.backward()
            total += loss.item()
            self.operations += part.operations(self.options)
        return total

    def step(self, parts):
        loss = self.gradient(parts)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss


def gemm_gigaflops(seconds=1.0):
    """The highest rate of sgemm with M = 4096, N = K = 512."""
    m, n, k = 4096, 512, 512
    a, b, c = torch.full((m, k), 0.5), torch.full((n, k), 0.25), torch.empty(m, n)
    best, begin = float("inf"), time.perf_counter()
    while time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        torch.mm(a, b.t(), out=c)
        best = min(best, time.perf_counter() - start)
    return 2 * m * n * k / best / 1e9


def bench(options):
    trainer = Trainer(options, learning_rate=1e-5)
    print(f"PyTorch {torch.__version__}: {options.threads} thread{'s'[:options.threads > 1]}, "
          f"{parameter_count(trainer.model)} parameters, {options.batch} jets per step in micro-batches of "
          f"{options.micro_batch}", flush=True)
    random = np.random.default_rng(0)
    trainer.step(list(micro_batches(random, min(options.batch, 8 * options.micro_batch), options)))

    gemm = gemm_gigaflops()
    trainer.operations = 0.0
    steps, elapsed, begin = 0, 0.0, time.perf_counter()
    while steps < options.steps if options.steps else elapsed < options.seconds:
        trainer.step(list(micro_batches(random, options.batch, options)))
        steps, elapsed = steps + 1, time.perf_counter() - begin
    gemm = max(gemm, gemm_gigaflops())
    rate = trainer.operations / elapsed / 1e9
    for name, value in [
        ("gemm_gflops", f"{gemm:.1f}"), ("model_gflops", f"{rate:.1f}"), ("model / gemm", f"{rate / gemm:.3f}"),
        ("jets_per_second", f"{steps * options.batch / elapsed:.2f}"),
        ("peak_memory_mib", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}"),
        ("threads", options.threads),
    ]:
        print(f"{name:<17}{value}")


def parameter_count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def check(options):
    """Checks that packed and padded jets have the same gradient, and that the loss decreases on a repeated batch.

    Returns an error message or None.
    """
    # A small residual scale would hide errors of the attention.
    options.autocast, options.layer_scale = False, 0.5
    trainer = Trainer(options, learning_rate=1e-3)
    print(f"{parameter_count(trainer.model)} parameters")
    jets = synthetic_jets(np.random.default_rng(1), 32)
    gradients = []
    ways = [("packed", None), ("padded", int(jets[0].max())), ("padded to 128", MAX_CONSTITUENTS)]
    for name, slots in ways:
        part = MicroBatch(np.random.default_rng(2), *jets, slots)
        loss = trainer.gradient([part])
        gradients.append([p.grad for p in trainer.model.parameters()])
        # Each parameter separately: those of the heads are much larger than the others.
        difference = max(((a - b).norm() / b.norm()).item() for a, b in zip(gradients[-1], gradients[0]))
        print(f"{name:<14} loss {loss:.6f}, gradients differ by {difference:.1e} at most")
        if not difference < 1e-4:
            return f"the gradient of {name} jets differs"

    part = MicroBatch(np.random.default_rng(2), *jets)
    losses = [trainer.step([part]) for _ in range(12)]
    print("repeated batch: loss " + " ".join(f"{loss:.3f}" for loss in losses))
    return None if losses[-1] < 0.97 * losses[0] else "the loss does not decrease on a repeated batch"


def main(parser, options):
    # There are as many null tokens as constituents, and no jet may exceed its slots.
    if options.padded_to and not MAX_CONSTITUENTS <= options.padded_to <= 2 * MAX_CONSTITUENTS:
        parser.error(f"--padded-to {options.padded_to}: give {MAX_CONSTITUENTS} to {2 * MAX_CONSTITUENTS}")
    if options.width % options.heads or options.decoder_width % options.decoder_heads:
        parser.error("a width cannot be divided among its heads: change --heads or --decoder-heads")
    torch.set_num_threads(options.threads)
    return check(options) if options.check else bench(options)


if __name__ == "__main__":
    sys.exit(main(PARSER, OPTIONS))
