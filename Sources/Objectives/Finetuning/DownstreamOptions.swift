import Configuration
import Jets
import NN

/// The sections of a configuration with the objective of a downstream task.
package struct DownstreamOptions: Sendable, Equatable {
    package enum Task: Sendable, Equatable {
        case classification(JetClassification.Options)
        case cwola(WeaklySupervised.Options)
        case vertexing(Vertexing.Options)
        case trackOrigin(TrackOrigin.Options)

        func make(width: Int, _ jets: JetShape, seed: UInt64, in scope: ParameterScope) -> any DownstreamTask {
            switch self {
            case .classification(let options): JetClassification(options, width: width, jets, seed: seed, in: scope)
            case .cwola(let options): WeaklySupervised(options, width: width, jets, seed: seed, in: scope)
            case .vertexing(let options): Vertexing(options, width: width, in: scope)
            case .trackOrigin(let options): TrackOrigin(options, width: width, in: scope)
            }
        }
    }

    package var backbone: BackboneOptions
    package var fineTuning: FineTuning
    package var task: Task

    /// Decodes the sections from the root of a configuration. Throws `ConfigurationError`.
    init(
        from root: Section, _ name: ObjectiveOptions.Name, backbone: BackboneOptions?, tokenizer: VQVAEOptions?
    ) throws {
        fineTuning = try FineTuning(from: root)
        self.backbone = try BackboneOptions(
            from: root.section("model"), pretrained: backbone, tokenizer: tokenizer)
        task = switch name {
        case .cwola: .cwola(try WeaklySupervised.Options(from: root))
        case .vertexing: .vertexing(try Vertexing.Options(from: root.section("head")))
        case .trackOrigin: .trackOrigin(try TrackOrigin.Options(from: root.section("head")))
        default: .classification(try JetClassification.Options(from: root.section("head")))
        }
    }

    /// The datasets with a whole number for each constituent that are needed.
    var constituentLabels: [String] {
        switch task {
        case .classification, .cwola: []
        case .vertexing: Vertexing.constituentLabels
        case .trackOrigin: TrackOrigin.constituentLabels
        }
    }
}
