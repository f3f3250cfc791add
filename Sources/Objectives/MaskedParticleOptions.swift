import Configuration
import Jets
import Models

/// The sections `model`, `masking` and `tasks` of a configuration with `objective: mpm_v2`.
public struct MaskedParticleOptions: Sendable, Equatable {
    /// The tasks to train; nil leaves one out.
    public struct Tasks: Sendable, Equatable {
        public var particleID: ParticleIdentification.Options? = .init()
        public var regression: Regression.Options?
        public var kmeans: KMeansTokens.Options? = .init()

        public init() {}
    }

    public var encoder = TransformerShape(width: 512, layers: 8, heads: 8, registers: 8)
    public var decoder = TransformerShape(width: 256, layers: 4, heads: 4, finalNorm: false)
    public var masking = MaskingStrategy.random(fraction: 0.4)
    public var tasks = Tasks()

    public init() {}

    /// Builds the model, with fresh weights.
    public func makeObjective(_ jets: JetShape, seed: UInt64) -> MaskedParticleModelling {
        MaskedParticleModelling(
            self, features: jets.features, maxConstituents: jets.maxConstituents, seed: seed)
    }

    /// Decodes the sections from the root of a configuration; a task is trained when its key stands under `tasks`.
    public init(from root: Section) throws {
        let model = try root.section("model")
        encoder = try TransformerShape(from: model.section("encoder"), defaults: encoder, hasRegisters: true)
        decoder = try TransformerShape(from: model.section("decoder"), defaults: decoder, hasRegisters: false)

        masking = try MaskingStrategy(from: root.section("masking"))
        let section = try root.section("tasks")
        tasks.particleID = try section.optionalSection(ParticleIdentification.name).map { try .init(from: $0) }
        tasks.regression = try section.optionalSection(Regression.name).map { try .init(from: $0) }
        tasks.kmeans = try section.optionalSection(KMeansTokens.name).map { try .init(from: $0) }
        if tasks.particleID == nil, tasks.regression == nil, tasks.kmeans == nil {
            // A misspelt task is an unknown key, which says more.
            try section.finish()
            throw root.error("tasks", "no task to train; give at least one of particle_id, regression, kmeans")
        }
    }
}

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
