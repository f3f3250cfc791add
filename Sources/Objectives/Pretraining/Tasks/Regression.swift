import Configuration
import Models
import NN
import Tensors

/// Recovers the continuous features of every dropped constituent directly: a linear map and the L1 loss (version 2) or
/// the squared error (version 1), averaged over constituents and features.
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
            weight = try section.double("weight", default: weight, in: 0...(.infinity))
            self.loss = try section.choice("loss", of: Loss.self, default: loss)
        }
    }

    package let name = "regression"
    package let weight: Double
    private let kind: Options.Loss
    private let head: Linear

    package init(_ options: Options, width: Int, features: Int, in scope: ParameterScope) {
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
