import Configuration
import NN
import Tensors

/// Predicts the continuous features of every dropped constituent: a linear map with the L1 loss (version 2,
/// arXiv:2409.12589) or the squared error (version 1, arXiv:2401.13537), averaged over constituents and features.
package final class Regression: ReconstructionTask {
    /// `tasks.regression` of a configuration.
    package struct Options: Sendable, Equatable {
        package enum Loss: String, CaseIterable, Sendable {
            case l1, mse
        }

        package var weight = 1.0
        package var loss = Loss.l1

        package init() {}

        package init(from section: Section, loss: Loss = .l1) throws {
            weight = try section.weight(default: weight)
            self.loss = try section.choice("loss", of: Loss.self, default: loss, help: "absolute or squared error")
        }
    }

    package let name = Options.name
    package let weight: Double
    private let kind: Options.Loss
    private let head: Linear

    init(_ options: Options, width: Int, features: Int, in scope: ParameterScope) {
        weight = options.weight
        kind = options.loss
        head = Linear(inputs: width, outputs: features, in: scope.scope("head"))
    }

    package func count(_ jets: MaskedJets) -> Double { Double(jets.dropped.values.count) }

    package func loss(_ decoded: Variable, _ jets: MaskedJets, scale: Float, on tape: Tape) -> Double {
        let (found, target) = (head(decoded, on: tape), jets.dropped.values)
        return switch kind {
        case .l1: tape.l1Loss(found, target: target, scale: scale)
        case .mse: tape.mseLoss(found, target: target, scale: scale)
        }
    }

    package func sample(_ decoded: Tensor, _ jets: MaskedJets, _ options: SamplingOptions) -> Reconstruction {
        Reconstruction(values: head(Variable(constant: decoded), on: Tape(recording: false)).value)
    }
}

extension Regression.Options: ReconstructionTaskOptions {
    package static let name = "regression"
    package static let help = "reconstruct the features"

    package init(from section: Section, version: MaskedParticleVersion) throws {
        try self.init(from: section, loss: version == .v1 ? .mse : .l1)
    }

    package func makeTask(_ context: ReconstructionContext) -> any ReconstructionTask {
        Regression(self, width: context.width, features: context.jets.features, in: context.scope)
    }
}
