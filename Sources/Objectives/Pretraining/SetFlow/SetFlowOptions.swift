import Configuration
import Jets
import Models

/// Sections of a configuration with `objective: set_flow`.
package struct SetFlowOptions: Sendable {
    package var encoder = TransformerShape.version2
    /// Channels, blocks and heads of the decoder.
    package var width = 256
    package var layers = 4
    package var heads = 8
    package var feedForwardMultiplier = 2
    package var masking = MaskingStrategy.uniform(0.2...1)
    /// Number of jets that the distribution of the number of constituents is fitted to.
    package var fitJets = 50_000

    /// True if the decoder is given the class of each jet.
    package var usesClasses = false
    /// The class of generated jets; nil for classes as in the data.
    package var generatedClass: String?

    package init() {}

    /// The encoder, as the backbone of downstream tasks.
    package var backbone: BackboneOptions { BackboneOptions(shape: BackboneShape(.transformer(encoder))) }

    /// Decodes the sections from the root of a configuration. Throws `ConfigurationError`.
    package init(from root: Section) throws {
        let model = try root.section("model", .inherited)
        encoder = try TransformerShape(from: model.section("encoder"), defaults: encoder, hasRegisters: true)
        guard encoder.registers > 0 else {
            throw try model.section("encoder").error(
                "registers",
                "set_flow needs at least one: of a jet that is dropped whole, registers are all that is left")
        }
        let decoder = try model.section("decoder")
        width = try decoder.int("width", default: width, in: 1...65536, help: "channels")
        layers = try decoder.int("layers", default: layers, in: 0...1000, help: "number of blocks")
        heads = try decoder.heads(default: heads, dividing: width)
        feedForwardMultiplier = try decoder.feedForwardMultiplier(default: feedForwardMultiplier)
        usesClasses = try model.bool(
            "classes", default: usesClasses,
            help: "give the decoder the class of each jet, so that `kaon generate` generates jets of given classes")
        masking = try MaskingStrategy(from: root.section("masking"), strategy: .uniform)
        fitJets = try root.section("set_flow").int(
            "fit_jets", default: fitJets, in: .positive,
            help: "number of jets whose multiplicities are stored for `kaon generate`")
        let generate = try root.section("generate")
        generatedClass = try generate.optionalString(
            "class", absent: "as in the data", .advanced,
            help: "class of the jets that `kaon generate` generates with `model.classes`")
        guard usesClasses || generatedClass == nil else {
            throw generate.error(
                "class", "the model was not given classes (model.classes is false): leave the key out")
        }
    }

    /// - Parameter classes: number of classes of the data.
    func shape(_ jets: JetShape, classes: Int = 0) -> SetFlowModel.Shape {
        var shape = SetFlowModel.Shape(
            features: jets.features, identities: jets.identities, encoder: encoder, width: width,
            layers: layers, heads: heads, feedForwardMultiplier: feedForwardMultiplier)
        shape.decoder.classes = classes
        return shape
    }
}
