"""The command `kaon-import`."""

import argparse
import os
import sys

from kaon_data import DataError
from kaon_data.console import add_version, run_command, whole_number

from .imported import Choices, import_model
from .layout import FEATURES


def main(arguments=None):
    return run_command(_main, arguments)


def _main(arguments):
    parser = argparse.ArgumentParser(
        prog="kaon-import",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Converts a model of the authors' public PyTorch code (jetssl) to a file that kaon reads\n"
        "like its own exports: for kaon finetune, kaon encode, kaon inspect and kaon_torch.\n"
        "No code of the model is run.",
        # In lines that can be pasted.
        epilog="example:\n"
        "  kaon-import last.ckpt --preprocessor cst_quant.joblib --trust-pickle \\\n"
        "      --output backbone.safetensors",
    )
    add_version(parser)
    parser.add_argument("source", metavar="SOURCE",
                        help="a state_dict or a checkpoint of Lightning (.pt, .pth, .ckpt), or a .safetensors file, "
                        "with any of the three generations of names; a backbone or a whole masked particle model")
    parser.add_argument("--output", "-o", required=True, metavar="FILE", help="the file to write: NAME.safetensors")
    parser.add_argument("--preprocessor", metavar="FILE",
                        help="the fitted QuantileTransformer of scikit-learn (.joblib; needs --trust-pickle), or its "
                        "quantiles [quantiles, features] as .npy; without it, kaon fits quantiles to the jets at hand")
    parser.add_argument("--centroids", metavar="FILE",
                        help="k-means centroids: the pickled KMeans (read without running code), or [clusters, "
                        "features] as .npy; the default is those in SOURCE")
    parser.add_argument("--features", type=_features, metavar="NAME,…",
                        help=f"the features of the model in its order, of {','.join(FEATURES)}; the default is all "
                        "seven, or the first three")
    parser.add_argument("--heads", type=whole_number, metavar="N",
                        help="attention heads of the encoder, if SOURCE does not give them (default 8)")
    parser.add_argument("--decoder-heads", type=whole_number, metavar="N",
                        help="attention heads of the decoder, if SOURCE does not give them (default 4)")
    parser.add_argument("--prefix", default="", metavar="TEXT",
                        help="use only tensors whose names begin with this text, such as 'backbone.' of a classifier")
    parser.add_argument("--backbone", action="store_true", help="import the backbone of a whole model alone")
    parser.add_argument("--trust-pickle", action="store_true",
                        help="load --preprocessor although unpickling it runs code, and take the tensors of a SOURCE "
                        "that is a pickled module")
    parser.add_argument("--force", action="store_true", help="replace an existing output file")
    options = parser.parse_args(arguments)
    choices = Choices(
        options.preprocessor, options.centroids, options.features, options.heads, options.decoder_heads,
        options.prefix, options.backbone, options.trust_pickle)
    try:
        _check_output(options.output, options.force)
        imported = import_model(options.source, choices)
        imported.write(options.output)
    except DataError as error:
        print(f"kaon-import: {error}", file=sys.stderr)
        return 1
    for remark in imported.remarks:
        print(remark)
    names = [name for name in imported.tensors if "/" not in name]
    print(f"{len(names)} tensors with {sum(imported.tensors[name].size for name in names)} parameters "
          f"from {options.source}")
    print(f"written to {options.output}")
    return 0


def _check_output(path, may_replace):
    if not path.endswith(".safetensors"):
        raise DataError(f"{path} must end in .safetensors: kaon recognises models by this extension")
    if os.path.isdir(path):
        raise DataError(f"{path} is a folder")
    if os.path.exists(path) and not may_replace:
        raise DataError(f"{path} already exists; --force replaces it")
    folder = os.path.dirname(path) or "."
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise DataError(f"{path} cannot be written: {folder} is not a folder")


def _features(text):
    names = tuple(text.split(","))
    if not set(names) <= set(FEATURES) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"expected different names of {','.join(FEATURES)}, found {text!r}")
    return names


if __name__ == "__main__":
    sys.exit(main())
