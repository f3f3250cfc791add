import Configuration
import Models

extension TransformerShape {
    /// Decodes `model.encoder` or `model.decoder`.
    init(from section: Section, defaults: TransformerShape, hasRegisters: Bool) throws {
        self = defaults
        width = try section.int("width", default: width, in: 1...65536)
        layers = try section.int("layers", default: layers, in: 0...1000)
        heads = try section.int("heads", default: heads, in: 1...1024)
        guard width % heads == 0 else {
            throw section.error("heads", "a width of \(width) cannot be divided among \(heads) heads")
        }
        feedForwardMultiplier = try section.int("feedforward_multiplier", default: feedForwardMultiplier, in: 1...64)
        if hasRegisters { registers = try section.int("registers", default: registers, in: 0...1024) }
        layerScale = section.has("layer_scale")
            ? try section.optionalDouble("layer_scale") : try section.double("layer_scale", default: layerScale ?? 1e-3)
        // Version 2 trains without dropout; the key is there so that its absence is explicit.
        _ = try section.double("dropout", default: 0, in: 0...0)
        finalNorm = try section.bool("final_norm", default: finalNorm)
    }
}

extension NormformerShape {
    /// Decodes a section. Throws `ConfigurationError`.
    init(from section: Section, defaults: NormformerShape) throws {
        self = defaults
        width = try section.int("width", default: width, in: 1...4096)
        layers = try section.int("layers", default: layers, in: 0...60)
        heads = try section.int("heads", default: heads, in: 1...1024)
        guard width % heads == 0 else {
            throw section.error("heads", "a width of \(width) cannot be divided among \(heads) heads")
        }
        hidden = try section.int("hidden", default: hidden, in: 1...4096)
        dropout = try section.double("dropout", default: dropout, in: .belowOne)
    }
}
