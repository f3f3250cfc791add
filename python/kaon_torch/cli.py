"""The command `kaon-onnx`: writes an export as an ONNX file."""

import argparse
import os
import sys

from kaon_data.console import add_version, run_command

from .errors import FormatError


def main(arguments=None):
    return run_command(_main, arguments)


def _main(arguments):
    parser = argparse.ArgumentParser(
        prog="kaon-onnx",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Writes a file of 'kaon export' as an ONNX model, with its preprocessing, and compares the\n"
        "outputs of both on random jets. 'kaon export --all' includes the head of a fine-tuned model.",
        epilog="example:\n"
        "  kaon export runs/finetune/checkpoints/best --all --card --output model.safetensors\n"
        "  kaon-onnx model.safetensors --output model.onnx --card")
    add_version(parser)
    parser.add_argument("export", metavar="EXPORT", help="a backbone or a model: NAME.safetensors")
    parser.add_argument("--output", "-o", required=True, metavar="FILE", help="the file to write: NAME.onnx")
    parser.add_argument("--noise", choices=["kaon", "zero"], default="kaon",
                        help="replacement of the impact parameters of neutral constituents: the noise of kaon, which "
                        "depends on the indices of the jets, an input of the model; or 0 (default %(default)s)")
    parser.add_argument("--card", action="store_true",
                        help="write the model card README.md beside the file; needs an export with --card")
    parser.add_argument("--force", action="store_true", help="replace existing files")
    options = parser.parse_args(arguments)
    # Help and errors of the command line do not need PyTorch.
    try:
        from .card import write_card
        from .files import load
        from .onnx_file import compare, export_onnx, input_names, output_names
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        print("kaon-onnx: PyTorch is not installed; run: pip install './python[onnx]'", file=sys.stderr)
        return 1
    try:
        _check(options.output, ".onnx", options.force)
        module = load(options.export)
        if options.card:
            write_card(module, options.output, options.noise, options.force, is_trial=True)
        export_onnx(module, options.output, options.noise)
        difference = compare(module, options.output, options.noise)
        if difference is not None and not difference < 1e-4:
            raise FormatError(
                f"the answers of {options.output} differ by {difference:.1e} from those of PyTorch; do not use it")
        if options.card:
            print(f"written to {write_card(module, options.output, options.noise, options.force)}")
    except FormatError as error:
        print(f"kaon-onnx: {error}", file=sys.stderr)
        return 1
    print(f"inputs {', '.join(input_names(module, options.noise))}; outputs {', '.join(output_names(module))}")
    print("not compared: onnxruntime is not installed" if difference is None
          else f"largest difference between PyTorch and onnxruntime for 100 random jets: {difference:.1e}")
    print(f"written to {options.output}")
    return 0


def _check(path, ending, may_replace):
    if not path.endswith(ending):
        raise FormatError(f"{path} must end in {ending}")
    if os.path.isdir(path):
        raise FormatError(f"{path} is a folder")
    if os.path.exists(path) and not may_replace:
        raise FormatError(f"{path} already exists; --force replaces it")
    folder = os.path.dirname(path) or "."
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise FormatError(f"{path} cannot be written: {folder} is not a folder")
