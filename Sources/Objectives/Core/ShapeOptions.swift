import Configuration
import Models
import Tensors

extension TransformerShape {
    /// Decodes `model.encoder` or `model.decoder`.
    init(from section: Section, defaults: TransformerShape, hasRegisters: Bool) throws {
        self = defaults
        width = try section.int("width", default: width, in: 1...65536, help: "channels")
        layers = try section.int("layers", default: layers, in: 0...1000, help: "number of blocks")
        heads = try section.heads(default: heads, dividing: width)
        feedForwardMultiplier = try section.feedForwardMultiplier(default: feedForwardMultiplier)
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
        if hasRegisters { pairs = try PairShape.optional(from: section, default: pairs) }
    }
}

extension PairShape {
    /// Decodes the section `pairs` of an encoder; nil if it is missing or `null` and there is no default.
    ///
    /// Throws `ConfigurationError`.
    fileprivate static func optional(from encoder: Section, default: PairShape?) throws -> PairShape? {
        let section = try encoder.optionalSection(
            "pairs", help: "bias of the attention by features of each pair of constituents (Particle Transformer)")
        // The shape of a pre-trained backbone, unless it is given.
        guard let section = try section ?? (`default` == nil ? nil : encoder.section("pairs")) else { return nil }
        return try PairShape(from: section, defaults: `default` ?? PairShape())
    }

    private init(from section: Section, defaults: PairShape) throws {
        self = defaults
        let names = try section.strings(
            "features", default: features.map(\.rawValue),
            help: "features of a pair: a list of `ln_dr`, `ln_kt`, `ln_z`, `ln_m2`")
        features = try names.enumerated().map { place, name in
            guard let feature = PairFeature(rawValue: name) else {
                throw section.error(
                    "features",
                    "unknown pair feature '\(name)'; the features are "
                        + PairFeature.allCases.map(\.rawValue).joined(separator: ", "))
            }
            guard !names[..<place].contains(name) else {
                throw section.error("features", "pair feature '\(name)' is named twice")
            }
            return feature
        }
        guard !features.isEmpty else { throw section.error("features", "no feature is named; leave `pairs` out") }
        widths = try section.ints(
            "widths", default: widths, in: 1...4096, help: "widths of the hidden layers of the network of pairs")
    }
}

extension NormformerShape {
    /// Decodes a section. Throws `ConfigurationError`.
    init(from section: Section, defaults: NormformerShape) throws {
        self = defaults
        width = try section.int("width", default: width, in: 1...4096, help: "channels")
        layers = try section.int("layers", default: layers, in: 0...60, help: "number of blocks")
        heads = try section.heads(default: heads, dividing: width)
        hidden = try section.int(
            "hidden", default: hidden, in: 1...4096, help: "hidden width of the feed-forward networks")
        dropout = try section.dropout(default: dropout)
    }
}
