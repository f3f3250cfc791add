import Configuration
import Models

extension TransformerShape {
    /// Decodes `model.encoder` or `model.decoder`.
    init(from section: Section, defaults: TransformerShape, hasRegisters: Bool) throws {
        self = defaults
        width = try section.int("width", default: width, in: 1...65536, help: "channels")
        layers = try section.int("layers", default: layers, in: 0...1000, help: "number of blocks")
        heads = try section.int("heads", default: heads, in: 1...1024, help: "attention heads; they divide the width")
        guard width % heads == 0 else {
            throw section.error("heads", "a width of \(width) cannot be divided among \(heads) heads")
        }
        feedForwardMultiplier = try section.int(
            "feedforward_multiplier", default: feedForwardMultiplier, in: 1...64,
            help: "hidden width of the feed-forward networks relative to `width`")
        if hasRegisters {
            registers = try section.int(
                "registers", default: registers, in: 0...1024,
                help: "number of register tokens, learned and prepended to every jet")
        }
        layerScale = try section.optionalDouble(
            "layer_scale", default: layerScale,
            help: "initial LayerScale of the residual branches; `null` for none")
        // Version 2 trains without dropout; the key is there so that its absence is explicit.
        _ = try section.double("dropout", default: 0, in: 0...0, help: "dropout rate")
        finalNorm = try section.bool(
            "final_norm", default: finalNorm, help: "apply a normalisation after the last block")
    }
}

extension NormformerShape {
    /// Decodes a section. Throws `ConfigurationError`.
    init(from section: Section, defaults: NormformerShape) throws {
        self = defaults
        width = try section.int("width", default: width, in: 1...4096, help: "channels")
        layers = try section.int("layers", default: layers, in: 0...60, help: "number of blocks")
        heads = try section.int("heads", default: heads, in: 1...1024, help: "attention heads; they divide the width")
        guard width % heads == 0 else {
            throw section.error("heads", "a width of \(width) cannot be divided among \(heads) heads")
        }
        hidden = try section.int(
            "hidden", default: hidden, in: 1...4096, help: "hidden width of the feed-forward networks")
        dropout = try section.double("dropout", default: dropout, in: .belowOne, help: "dropout rate")
    }
}
