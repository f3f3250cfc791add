import Configuration
import Jets
import NN
import Tensors

/// Keys of the section `head` of a task with a perceptron for each constituent.
package struct PerceptronOptions: Sendable, Equatable {
    package enum ActivationName: String, CaseIterable, Sendable {
        case silu, gelu
        case leakyReLU = "leaky_relu"
    }

    /// Channels of the hidden layers.
    package var width = 128
    /// Number of hidden layers.
    package var layers: Int
    package var activation: ActivationName
    package var hasNorm = false
    package var dropout = 0.0

    init(layers: Int, activation: ActivationName) {
        self.layers = layers
        self.activation = activation
    }

    /// Decodes the section. Throws `ConfigurationError`.
    init(from section: Section, defaults: PerceptronOptions) throws {
        self = defaults
        width = try section.int("width", default: width, in: 1...4096, help: "channels")
        layers = try section.int("layers", default: layers, in: 1...16, help: "number of hidden layers")
        activation = try section.choice(
            "activation", default: activation, help: "activation function of the hidden layers")
        hasNorm = try section.bool("norm", default: hasNorm, help: "normalise the outputs of the hidden layers")
        dropout = try section.dropout(default: dropout)
    }

    var form: MLP.Form {
        let activation: Activation =
            switch activation {
            case .silu: .silu
            case .gelu: .gelu
            case .leakyReLU: .leakyReLU(slope: 0.1)
            }
        return MLP.Form(activation, hasNorm: hasNorm, dropout: Float(dropout))
    }

    /// Random numbers of dropout for the constituents; nil for no dropout.
    func keys(_ batch: JetBatch, phase: Phase, seed: UInt64) -> TokenKeys? {
        batch.dropoutKeys(phase, isUsed: dropout > 0, seed: seed)
    }
}
